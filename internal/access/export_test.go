package access

// What tests of the package see of it.
const (
	TokenLength = tokenLength
	MaxTokens   = maxTokens
	MaxAge      = maxAge
)

var (
	NewText   = newText
	ParseText = parseText
)
