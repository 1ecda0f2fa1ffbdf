package durable

// SyncOnce is the system call behind Sync, replaceable.
var SyncOnce = syncOnce
