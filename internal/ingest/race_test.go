//go:build race

package ingest_test

// raceEnabled makes the largest inputs smaller: the detector slows them tenfold.
const raceEnabled = true
