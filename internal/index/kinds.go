package index

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"iter"

	"github.com/annals-io/annals/engine"
)

// maxNameBytes bounds a tenant and a kind.
const maxNameBytes = 64 << 10

// compareKinds orders counts by tenant and kind.
func compareKinds(a, b engine.KindCount) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Kind, b.Kind))
}

// appendKind appends a row of the kind table: length and bytes of the tenant, of
// the kind, and the count.
func appendKind(dst []byte, k engine.KindCount) []byte {
	for _, name := range [...]string{k.Tenant, k.Kind} {
		dst = binary.AppendUvarint(dst, uint64(len(name)))
		dst = append(dst, name...)
	}
	return binary.AppendUvarint(dst, k.Count)
}

// kindOrder checks rows of a kind table as they come.
type kindOrder struct {
	n    uint64 // entries of the run
	rows uint64
	sum  uint64
	last engine.KindCount
}

func (o *kindOrder) add(k engine.KindCount) error {
	switch {
	case o.rows > 0 && compareKinds(o.last, k) >= 0:
		return damage("kinds are not in order")
	case k.Count == 0 || k.Count > o.n-o.sum:
		return damage("counts of kinds are out of range")
	case len(k.Tenant) > maxNameBytes || len(k.Kind) > maxNameBytes:
		return damage("kind is too long")
	}
	o.rows, o.sum, o.last = o.rows+1, o.sum+k.Count, k
	return nil
}

// A kindReader reads a kind table row by row. Only when it has come to the end
// without an error is what it read sound.
type kindReader struct {
	r     *bufio.Reader
	hash  hash.Hash32 // of the bytes that r took
	sum   uint32
	rows  uint64 // of the table
	order kindOrder
}

// newKindReader reads the table e of a run of n entries.
func newKindReader(r io.ReaderAt, e extent, rows, n uint64) *kindReader {
	h := crc32.New(castagnoli)
	section := io.NewSectionReader(r, e.off, e.len)
	size := int(min(e.len+1, 64<<10))
	return &kindReader{
		r: bufio.NewReaderSize(io.TeeReader(section, h), size), hash: h, sum: e.sum,
		rows: rows, order: kindOrder{n: n},
	}
}

// all yields the rows. An error ends it.
func (k *kindReader) all() iter.Seq2[engine.KindCount, error] {
	return func(yield func(engine.KindCount, error) bool) {
		for k.order.rows < k.rows {
			row, err := k.row()
			if err == nil {
				err = k.order.add(row)
			}
			if !yield(row, kindError(err)) || err != nil {
				return
			}
		}
		if err := k.end(); err != nil {
			yield(engine.KindCount{}, kindError(err))
		}
	}
}

// row reads one row.
func (k *kindReader) row() (row engine.KindCount, err error) {
	for _, name := range []*string{&row.Tenant, &row.Kind} {
		if *name, err = k.name(); err != nil {
			return row, err
		}
	}
	row.Count, err = k.number()
	return row, err
}

func (k *kindReader) name() (string, error) {
	size, err := k.number()
	if err != nil {
		return "", err
	}
	if size > maxNameBytes {
		return "", damage("kind is too long")
	}
	b := make([]byte, size)
	_, err = io.ReadFull(k.r, b)
	return string(b), err
}

func (k *kindReader) number() (x uint64, err error) {
	for shift := 0; shift < 63; shift += 7 {
		b, err := k.r.ReadByte()
		if err != nil {
			return 0, err
		}
		x |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return x, nil
		}
	}
	return 0, damage("number is too large")
}

// end checks that the table ends here and has its checksum.
func (k *kindReader) end() error {
	if _, err := k.r.ReadByte(); err == nil {
		return damage("kinds have bytes behind them")
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	if k.hash.Sum32() != k.sum {
		return damage("checksum of the kinds does not match")
	}
	return nil
}

// kindError says of an early end what it is.
func kindError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return damage("kinds end early")
	}
	if err != nil {
		return fmt.Errorf("read kinds: %w", err)
	}
	return nil
}
