package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"hash/crc32"
	"strings"
)

// The form of a token's text: annals_ID_SECRETCHECKSUM.
const (
	tokenPrefix   = "annals_"
	idLength      = 12 // of idDigits: 60 bits
	secretLength  = 32 // of digits: 190 bits
	checkLength   = 6  // of digits: 62^6 > 2^32
	secretStart   = len(tokenPrefix) + idLength + 1
	checkStart    = secretStart + secretLength
	tokenLength   = checkStart + checkLength
	digits        = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	idDigits      = "abcdefghijklmnopqrstuvwxyz234567"
	evenByteLimit = 256 / len(digits) * len(digits) // bytes below are even over digits
)

// newID returns a new token's id.
func newID() string {
	var raw [8]byte
	rand.Read(raw[:])
	return base32.NewEncoding(idDigits).EncodeToString(raw[:])[:idLength]
}

// newText returns the text of a new token.
func newText(id string) string {
	text := append(make([]byte, 0, tokenLength), tokenPrefix+id+"_"...)
	var raw [1]byte
	for len(text) < checkStart {
		rand.Read(raw[:])
		if int(raw[0]) < evenByteLimit {
			text = append(text, digits[int(raw[0])%len(digits)])
		}
	}
	check := checkOf(string(text))
	return string(append(text, check[:]...))
}

// checkOf returns the checksum of a text. It takes no memory, which requests are many of.
func checkOf(text string) (check [checkLength]byte) {
	sum := ^uint32(0)
	for i := range len(text) {
		sum = crc32.IEEETable[byte(sum)^text[i]] ^ sum>>8
	}
	sum = ^sum
	for i := len(check) - 1; i >= 0; i-- {
		check[i] = digits[sum%uint32(len(digits))]
		sum /= uint32(len(digits))
	}
	return check
}

// parseText returns the id of a text that has the form of a token and its checksum.
func parseText(text string) (id string, ok bool) {
	if len(text) != tokenLength || text[:len(tokenPrefix)] != tokenPrefix || text[secretStart-1] != '_' {
		return "", false
	}
	if check := checkOf(text[:checkStart]); string(check[:]) != text[checkStart:] {
		return "", false
	}
	id = text[len(tokenPrefix) : secretStart-1]
	return id, isID(id)
}

// isID reports whether a text has the form of a token's id.
func isID(id string) bool {
	return len(id) == idLength && strings.Trim(id, idDigits) == ""
}

// hashOf returns what is stored of a token's text.
func hashOf(text string) [sha256.Size]byte {
	var buf [tokenLength]byte
	return sha256.Sum256(buf[:copy(buf[:], text)])
}
