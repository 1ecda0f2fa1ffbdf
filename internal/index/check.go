package index

import (
	"context"
	"fmt"
)

// check reads all of the run and checks every byte that means something. It
// returns the first thing that is wrong: errDamaged, an error of reading, or that
// of ctx.
func (r *run) check(ctx context.Context) error {
	m, f, err := readEnds(r.file, r.bytes)
	if err == nil && (m != r.meta || f != r.foot) {
		err = damage("header or footer has changed")
	}
	if err != nil {
		return r.fail(err)
	}
	return r.fail(inOrder(
		func() error { return r.checkDictionary(ctx, identities) },
		func() error { return r.checkDictionary(ctx, terms) },
		func() error { return r.checkColumns(ctx) },
		func() error { return r.checkKinds() },
	))
}

// checkDictionary checks the buckets and lists of a dictionary, and for the
// identities that the filter has them.
func (r *run) checkDictionary(ctx context.Context, c class) error {
	directory, err := r.whole(c.directory()) // not what is kept
	if err != nil {
		return err
	}
	d, err := r.newDictReader(c)
	if err != nil {
		return err
	}
	d.directory = directory
	check := dictChecker{dictReader: d, at: d.section.off}
	if c == identities {
		blocks, err := r.whole(filterBits)
		if err != nil {
			return err
		}
		check.filter = &filter{blocks}
	}
	return check.all(ctx, r.foot.distinct[c])
}

// A dictChecker goes through a dictionary. Its parts have to follow each other
// without gaps: the long lists of a bucket, the bucket, those of the next.
type dictChecker struct {
	*dictReader
	filter   *filter // nil if there is none
	at       int64   // offset up to which the section is checked
	lists    int     // and of the lists in the bucket
	distinct uint64
}

func (c *dictChecker) all(ctx context.Context, distinct uint64) error {
	for {
		if err := c.step(); err != nil {
			return err
		}
		if c.key == noKey {
			break
		}
		if err := c.term(); err != nil {
			return fmt.Errorf("bucket %d: %w", c.next-1, err)
		}
		if c.dictReader.at == c.bucket.count-1 {
			if err := c.endBucket(); err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	if c.at != c.section.off+c.section.len || c.distinct != distinct {
		return damage("dictionary does not fit its section")
	}
	return nil
}

// term checks the term that the reader is at.
func (c *dictChecker) term() error {
	c.distinct++
	if c.filter != nil && !c.filter.has(c.key) {
		return damage("filter lacks a term")
	}
	f, size, err := c.bucket.find(c.dictReader.at)
	if err != nil {
		return err
	}
	if f.count > 1 {
		if value := c.bucket.valueAt(c.dictReader.at); value != c.n+uint64(c.lists) {
			return errEntry
		}
		c.lists += size
	}
	if f.count > maxShort {
		if f.long.data != c.at {
			return errEntry
		}
		c.at = f.long.end()
	}
	return c.each(func([]uint32) error { return nil })
}

// endBucket checks that the bucket ends where its last list does, and begins
// behind its long lists.
func (c *dictChecker) endBucket() error {
	if c.lists != len(c.bucket.lists) || c.bucket.to != c.at {
		return fmt.Errorf("bucket %d: %w", c.next-1, damage("does not fit its lists"))
	}
	c.at += int64(len(c.bucket.raw))
	c.lists = 0
	return nil
}

// checkColumns checks times, rows and zones.
func (r *run) checkColumns(ctx context.Context) error {
	z, err := r.readZones()
	if err != nil {
		return err
	}
	times := r.newTimes(r.newWindow(), z)
	rows := newRowReader(r.newWindow(), r.foot.sections[entryColumn])
	n := uint32(r.meta.entries())
	for i := uint32(0); i < n; i += blockEntries {
		if _, err := times.at(i); err != nil {
			return err
		}
		if _, err := rows.at(i); err != nil {
			return err
		}
		if left := n - i; left < blockEntries && !isZero(rows.buf[rowBytes*left:rowBlockBytes-sumBytes]) {
			return damage("padding of the entries is not zero")
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// checkKinds checks the kind table.
func (r *run) checkKinds() error {
	for _, err := range r.newKinds(r.newWindow()).all() {
		if err != nil {
			return err
		}
	}
	return nil
}
