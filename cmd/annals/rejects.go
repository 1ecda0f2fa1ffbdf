package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
)

// A reject is a line of a rejects file. Its shape is a contract.
type reject struct {
	Line   int64  `json:"line"`
	File   string `json:"file"`
	Reason string `json:"reason"`
	Text   string `json:"text"` // bytes that are not UTF-8 are replaced; what is malformed and long is cut
}

// A rejectsFile is made when there is something to reject, in place of one that an
// import before left.
type rejectsFile struct {
	name string
	file *os.File
	out  *bufio.Writer
}

// add writes a reject.
func (f *rejectsFile) add(r *reject) error {
	if f.file == nil {
		file, err := os.OpenFile(f.name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return hinted(fmt.Errorf("keep rejected lines: %w", err), "--rejects FILE says where they go")
		}
		f.file, f.out = file, bufio.NewWriter(file)
	}
	if err := writeJSON(f.out, r); err != nil {
		return fmt.Errorf("keep rejected lines: %w", err)
	}
	return nil
}

// close writes what is held back.
func (f *rejectsFile) close() error {
	if f.file == nil {
		return nil
	}
	if err := errors.Join(f.out.Flush(), f.file.Close()); err != nil {
		return fmt.Errorf("keep rejected lines: %w", err)
	}
	return nil
}
