package server

import (
	"strconv"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/access"
)

// gapsBudget is how many entries an answer about gaps examines at most.
const gapsBudget = 1_000_000

// getGaps answers with the sequences that producers' counters lack.
func getGaps(x *exchange) error {
	tenants, err := x.readable()
	if err != nil {
		return err
	}
	if name := x.query.Get("tenant"); name != "" && name != access.EveryTenant {
		if name, err = x.tenant(); err != nil {
			return err
		}
		tenants = []string{name}
	}
	q := annals.GapQuery{Producer: x.query.Get("producer"), Tenants: tenants, Budget: gapsBudget}
	gaps, complete, err := x.server.journal.Gaps(x.r.Context(), q)
	if err != nil {
		return err
	}
	out := takeBuffer()
	defer out.give()
	out.b = append(out.b, `{"gaps":[`...)
	for i := range gaps {
		if i > 0 {
			out.b = append(out.b, ',')
		}
		out.b = appendCounterGap(out.b, &gaps[i])
	}
	out.b = append(strconv.AppendBool(append(out.b, `],"complete":`...), complete), '}')
	x.w.Header()["Cache-Control"] = []string{"no-store"}
	return x.sendPage("application/json", out.b)
}

// appendCounterGap appends a gap in a producer's counter.
func appendCounterGap(dst []byte, g *annals.Gap) []byte {
	dst = appendText(append(dst, `{"tenant":`...), g.Tenant)
	dst = appendText(append(dst, `,"producer":`...), g.Producer)
	dst = strconv.AppendUint(append(dst, `,"from":`...), g.From, 10)
	dst = strconv.AppendUint(append(dst, `,"to":`...), g.To, 10)
	dst = strconv.AppendUint(append(dst, `,"count":`...), g.Count(), 10)
	return append(dst, '}')
}
