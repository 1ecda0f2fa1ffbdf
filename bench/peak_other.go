//go:build unix && !linux

package main

// peakUnit is what the system counts memory in.
const peakUnit = 1
