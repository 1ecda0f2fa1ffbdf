package native

// LimitPending makes few hashes enough to be written ahead of a checkpoint, and
// to be too many.
func (o *Options) LimitPending(n int) { o.maxPending = n }

// LimitTails makes few entries enough for a file of the index.
func (o *Options) LimitTails(n int) { o.tailEntries = n }
