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
