package bench

// peakUnit is what the system counts memory in.
const peakUnit = 1 << 10
