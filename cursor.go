package annals

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"maps"
	"slices"
	"strconv"
	"time"
)

// A cursor is where an answer goes on. Its text is the base64url form of these
// bytes, whose numbers are little endian:
//
//	offset size
//	0      1    version, 1
//	1      1    flags: 1 = descending, 2 = there is a total, 4 = it could not be counted
//	2      2    skip
//	4      8    journal: which one gave the cursor out
//	12     16   query: its filter and parameters
//	28     8    tenants: whose entries it is about
//	36     8    next
//	44     8    end
//	52     8    total
//	60     12   now: seconds since 1970, nanoseconds
//	72     8    issued: seconds since 1970
//	80     16   the beginning of the HMAC-SHA256 of all that, under a key that only
//	            the journal has
//
// So a cursor says nothing that its holder has not been told but the number of
// entries, and nobody can make one.
type cursor struct {
	binding

	next   Position  // ascending: the first that is left; descending: one past it
	end    Position  // of what there was at the first page
	skip   int       // matches that are still to be left out
	total  *uint64   // if it was counted
	now    time.Time // from which distances count
	issued time.Time

	uncounted bool // counting was given up
}

// A binding ties a cursor to what it was made for.
type binding struct {
	journal [8]byte
	query   [16]byte
	tenants [8]byte
	desc    bool
}

const (
	cursorVersion = 1
	cursorBytes   = 96
	cursorMAC     = 80 // offset

	cursorDescending = 1 << 0
	cursorHasTotal   = 1 << 1
	cursorUncounted  = 1 << 2
)

// cursorEncoding is exact: 96 bytes fill their 128 characters.
var cursorEncoding = base64.RawURLEncoding

// text returns the cursor's text.
func (c *cursor) text(key [32]byte) string {
	b := make([]byte, 0, cursorBytes)
	flags := byte(0)
	if c.desc {
		flags |= cursorDescending
	}
	if c.uncounted {
		flags |= cursorUncounted
	}
	total := uint64(0)
	if c.total != nil {
		flags |= cursorHasTotal
		total = *c.total
	}
	le := binary.LittleEndian
	b = append(b, cursorVersion, flags)
	b = le.AppendUint16(b, uint16(c.skip))
	b = append(b, c.journal[:]...)
	b = append(b, c.query[:]...)
	b = append(b, c.tenants[:]...)
	b = le.AppendUint64(b, uint64(c.next))
	b = le.AppendUint64(b, uint64(c.end))
	b = le.AppendUint64(b, total)
	b = le.AppendUint64(b, uint64(c.now.Unix()))
	b = le.AppendUint32(b, uint32(c.now.Nanosecond()))
	b = le.AppendUint64(b, uint64(c.issued.Unix()))
	b = append(b, cursorSum(key, b)...)
	return cursorEncoding.EncodeToString(b)
}

// cursorSum returns what authenticates a cursor.
func cursorSum(key [32]byte, b []byte) []byte {
	h := hmac.New(sha256.New, key[:])
	h.Write(b)
	return h.Sum(nil)[:cursorBytes-cursorMAC]
}

// parseCursor reads a cursor of the journal whose binding is given. The detail
// says what is wrong; it is empty if nothing is.
func parseCursor(text string, key [32]byte, journal [8]byte) (c cursor, detail string) {
	const changed = "was changed or cut off"
	if len(text) != cursorEncoding.EncodedLen(cursorBytes) {
		return c, changed
	}
	b, err := cursorEncoding.DecodeString(text)
	if err != nil || len(b) != cursorBytes {
		return c, changed
	}
	copy(c.journal[:], b[4:])
	switch {
	case b[0] != cursorVersion:
		return c, "is of another version of this program, or " + changed
	case c.journal != journal:
		return c, "belongs to another journal"
	case !hmac.Equal(b[cursorMAC:], cursorSum(key, b[:cursorMAC])):
		return c, changed
	}
	le := binary.LittleEndian
	c.desc, c.uncounted = b[1]&cursorDescending != 0, b[1]&cursorUncounted != 0
	c.skip = int(le.Uint16(b[2:]))
	copy(c.query[:], b[12:])
	copy(c.tenants[:], b[28:])
	c.next, c.end = Position(le.Uint64(b[36:])), Position(le.Uint64(b[44:]))
	if b[1]&cursorHasTotal != 0 {
		c.total = new(le.Uint64(b[52:]))
	}
	c.now = time.Unix(int64(le.Uint64(b[60:])), int64(le.Uint32(b[68:]))).UTC()
	c.issued = time.Unix(int64(le.Uint64(b[72:])), 0)
	return c, ""
}

// check says what is wrong with a cursor for a search with a binding.
func (c *cursor) check(b binding, now time.Time) string {
	switch {
	case c.query != b.query:
		return "belongs to another query"
	case c.tenants != b.tenants:
		return "belongs to a search of other tenants"
	case c.desc != b.desc:
		return "belongs to the other order"
	case now.Sub(c.issued) > CursorLife:
		return "has expired: it is older than " + CursorLife.String()
	}
	return ""
}

// journalBinding returns what tells the journal's cursors from others'.
func (j *Journal) journalBinding() (b [8]byte) {
	sum := sha256.Sum256([]byte(j.ID()))
	copy(b[:], sum[:])
	return b
}

// bind returns the binding of a query's cursors, but for its order.
func (j *Journal) bind(q *Query, tenants *tenantSet) binding {
	b := binding{journal: j.journalBinding()}
	texts := []string{q.Filter}
	for _, name := range slices.Sorted(maps.Keys(q.Params)) {
		if values := q.Params[name]; !slices.Contains(settings, name) {
			texts = append(append(texts, name, strconv.Itoa(len(values))), values...)
		}
	}
	copy(b.query[:], digest(texts))
	copy(b.tenants[:], digest(tenants.list()))
	return b
}

// digest returns a hash of texts and of where each ends.
func digest(texts []string) []byte {
	h := sha256.New()
	var n [8]byte
	for _, text := range texts {
		binary.LittleEndian.PutUint64(n[:], uint64(len(text)))
		h.Write(n[:])
		h.Write([]byte(text))
	}
	return h.Sum(nil)
}
