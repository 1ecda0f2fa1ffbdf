package native

import (
	"runtime"
	"sync"
)

// leastPart is how many records are worth a goroutine of their own.
const leastPart = 32

// InParts calls do with parts of n records, one after the other if they are few, else
// on as many goroutines as there are processors, and waits for all. The error is that
// of the first part that has one. Whoever appends many records at once would
// otherwise prepare them on one processor while the others have nothing to do.
func InParts(n int, do func(from, to int) error) error {
	parts := min(runtime.GOMAXPROCS(0), n/leastPart)
	if parts < 2 {
		return do(0, n)
	}
	errs := make([]error, parts)
	var loops sync.WaitGroup
	partLoop := func(part int) { errs[part] = do(part*n/parts, (part+1)*n/parts) }
	for part := 1; part < parts; part++ {
		loops.Go(func() { partLoop(part) })
	}
	partLoop(0)
	loops.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
