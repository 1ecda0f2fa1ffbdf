package annals

// OpenFS opens a journal on a file system, such as one with faults.
var OpenFS = open

// WithDefaults returns options as [Open] completes and checks them.
func (o *Options) WithDefaults() (Options, error) {
	d := o.withDefaults()
	return d, d.validate()
}

// WriteNotice writes one of the journal's own events.
func (j *Journal) WriteNotice(e Event) error {
	n := notices{journal: j}
	return n.write(e)
}

// GapsBetween returns the gaps among the sequences of one producer.
func GapsBetween(sequences []uint64) []Gap {
	var runs []run
	for _, n := range sequences {
		runs = addRun(runs, n)
	}
	c := counters{runs: map[counterKey][]run{{}: runs}}
	return c.gaps()
}
