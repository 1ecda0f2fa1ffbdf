package index

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/annals-io/annals/internal/durable"
)

// TestTimeRange has blocks whose times span from nothing to all that 64 bits hold.
func TestTimeRange(t *testing.T) {
	rng := newRand(t)
	for _, tt := range []struct {
		name  string
		times []int64
	}{
		{"one", []int64{5}},
		{"equal", []int64{-7, -7, -7}},
		{"16 bits", []int64{0, 1<<16 - 1, 77}},
		{"17 bits", []int64{1 << 16, 0, 77}},
		{"least", []int64{math.MinInt64}},
		{"greatest", []int64{math.MaxInt64, math.MaxInt64}},
		{"all", []int64{math.MinInt64, math.MaxInt64, 0, -1, 1, math.MaxInt64 - 1, math.MinInt64 + 1}},
		{"half", []int64{math.MinInt64, 0, -1}},
		{"other half", []int64{-1, math.MaxInt64}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newRunModel(0, len(tt.times))
			m.times = tt.times
			fsys := durable.NewMem()
			r := m.write(t, fsys, "run")
			m.verify(t, rng, r, 0)
			if want := r.foot.times; want.since != least(tt.times) || want.last != -least(negated(tt.times))-1 {
				t.Errorf("times of the run are %v", want)
			}
			after := newRunModel(m.meta.next, 1) // so that blocks do not begin alike
			after.times = []int64{0}
			meta := m.meta
			meta.next++
			check(t, mergeRuns(context.Background(), fsys, "merged", meta, []*run{r, after.write(t, fsys, "after")}))
			merged := open(t, fsys, "merged")
			check(t, merged.check(context.Background()))
			tm, err := merged.times()
			check(t, err)
			for i, at := range append(tt.times, 0) {
				if ok, err := tm.may(uint32(i), span{at, at}); !ok || err != nil {
					t.Errorf("time %d of %d: %v, %v", at, i, ok, err)
				}
			}
		})
	}
}

func least(times []int64) int64 {
	m := times[0]
	for _, t := range times {
		m = min(m, t)
	}
	return m
}

// negated returns the times in the opposite order: -1 - t.
func negated(times []int64) (all []int64) {
	for _, t := range times {
		all = append(all, -1-t)
	}
	return all
}

// TestTimesTellApart has times that differ by much found apart, and none behind the
// end.
func TestTimesTellApart(t *testing.T) {
	m := newRunModel(0, 300) // a second apart
	r := m.write(t, durable.NewMem(), "run")
	tm, err := r.times()
	check(t, err)
	for i := range uint32(300) {
		for j := range int64(300) {
			ok, err := tm.may(i, span{j * 1e9, j*1e9 + 5e8})
			if check(t, err); ok != (j == int64(i)) {
				t.Fatalf("entry %d may have the time of %d: %v", i, j, ok)
			}
		}
	}
	for _, tt := range []struct {
		from       uint32
		span       span
		descending bool
		want       uint32
		ok         bool
	}{
		{0, span{130e9, 140e9}, false, 128, true},
		{299, span{130e9, 140e9}, true, 255, true},
		{0, span{299e9, 299e9}, false, 256, true},
		{299, span{0, 0}, true, 127, true},
		{256, span{0, 0}, false, 0, false},
		{127, span{299e9, 299e9}, true, 0, false},
		{0, span{300e9, math.MaxInt64}, false, 0, false},
		{299, span{math.MinInt64, -1}, true, 0, false},
		{300, span{0, math.MaxInt64}, false, 0, false},
		{math.MaxUint32, span{0, math.MaxInt64}, true, 299, true},
	} {
		if got, ok := tm.skip(tt.from, tt.span, tt.descending); got != tt.want || ok != tt.ok {
			t.Errorf("skip from %d to %v: %d, %v, want %d, %v", tt.from, tt.span, got, ok, tt.want, tt.ok)
		}
	}
	if ok, err := tm.may(300, span{math.MinInt64, math.MaxInt64}); ok || err != nil {
		t.Errorf("entry behind the end: %v, %v", ok, err)
	}
}

// TestTimeBlockRefuses has blocks with sound checksums and wrong content.
func TestTimeBlockRefuses(t *testing.T) {
	sound, zone := appendTimeBlock(nil, []span{{10, 10}, {20, 20}})
	for _, tt := range []struct {
		name string
		edit func(b []byte)
		zone span
	}{
		{"time above the zone", func(b []byte) { b[2] = 11 }, zone},
		{"narrower zone", func([]byte) {}, span{10, 19}},
		{"shift", func(b []byte) { b[256] = maxShift + 1 }, zone},
		{"width", func(b []byte) { b[258] = maxWidth + 1 }, zone},
		{"padding", func(b []byte) { b[4] = 1 }, zone},
	} {
		b := append([]byte(nil), sound...)
		tt.edit(b)
		b = appendSum(b[:timeBlockBytes-sumBytes], 0)
		if _, err := parseTimeBlock(b, tt.zone, 2); !errors.Is(err, errDamaged) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := parseTimeBlock(sound, zone, 2); err != nil {
		t.Error(err)
	}
}
