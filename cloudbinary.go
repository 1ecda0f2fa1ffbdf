package annals

import (
	"strings"
	"unicode/utf8"
)

// cloudPrefix begins the names of the fields that carry the attributes of a CloudEvent.
const cloudPrefix = "ce-"

// ParseBinaryCloudEvent reads a CloudEvent 1.0 in the binary mode of the HTTP binding:
// its attributes are in the header, its data in the body, whose content type is the
// attribute datacontenttype. It becomes the event that [ParseCloudEvent] makes of it,
// but for attributes that are no strings there: a header has strings alone.
//
// Errors: [ErrInvalid], [ErrTooLarge].
func ParseBinaryCloudEvent(contentType string, headers Headers, body []byte) (Encoded, error) {
	var c cloudEvent
	for name, value := range headers {
		name, ok := strings.CutPrefix(strings.ToLower(name), cloudPrefix)
		if !ok {
			continue
		}
		if err := c.addHeader(name, value); err != nil {
			return Encoded{}, err
		}
	}
	if contentType != "" {
		if err := c.add("datacontenttype", appendQuoted(nil, contentType), -1, -1); err != nil {
			return Encoded{}, err
		}
	}
	var err error
	if c.data, err = bodyData(contentType, false, body); err != nil {
		return Encoded{}, err
	}
	return c.encode(-1)
}

// addHeader takes a field of the header.
func (c *cloudEvent) addHeader(name, value string) error {
	field := cloudPrefix + name
	switch text := cloudText(value); {
	case !cloudName(name):
		return headerError(field, "names no CloudEvents attribute, whose names are of a to z and 0 to 9")
	case name == "data" || name == "datacontenttype":
		return headerError(field, "says what the body and its Content-Type say")
	case c.names[name]:
		return headerError(field, "is there more than once")
	case !utf8.ValidString(text):
		return headerError(field, "is not UTF-8")
	default:
		return c.add(name, appendQuoted(nil, text), -1, -1)
	}
}

// cloudText returns the value that a field carries: what is in quotes without them, and
// then what is percent-encoded decoded, once.
func cloudText(field string) string {
	if len(field) > 1 && field[0] == '"' && field[len(field)-1] == '"' {
		field = unslash(field[1 : len(field)-1])
	}
	if !strings.Contains(field, "%") {
		return field
	}
	text := make([]byte, 0, len(field))
	for i := 0; i < len(field); i++ {
		if c, ok := percent(field[i:]); ok {
			text = append(text, c)
			i += 2
			continue
		}
		text = append(text, field[i])
	}
	return string(text)
}

// unslash removes the backslashes before characters of a quoted string.
func unslash(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	text := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		text = append(text, s[i])
	}
	return string(text)
}

// percent reads the percent-encoded byte that s begins with.
func percent(s string) (c byte, ok bool) {
	if len(s) < 3 || s[0] != '%' {
		return 0, false
	}
	for _, digit := range []byte(s[1:3]) {
		switch {
		case '0' <= digit && digit <= '9':
			c = c<<4 | (digit - '0')
		case 'a' <= digit|0x20 && digit|0x20 <= 'f':
			c = c<<4 | (digit | 0x20 - 'a' + 10)
		default:
			return 0, false
		}
	}
	return c, true
}
