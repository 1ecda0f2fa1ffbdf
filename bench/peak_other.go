//go:build unix && !linux

package bench

// peakUnit is what the system counts memory in.
const peakUnit = 1
