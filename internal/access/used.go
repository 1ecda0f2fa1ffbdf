package access

import (
	"errors"
	"io/fs"
	"maps"
	"time"

	"github.com/annals-io/annals/internal/durable"
)

// usedName is the file of when tokens were last used.
const usedName = tokensDir + "/used"

// maxUsedBytes bounds that file: a line of 40 bytes for each token, and more.
const maxUsedBytes = maxTokens * 64

// A usedFile is the content of that file: times by the tokens' ids.
type usedFile struct {
	Used map[string]time.Time `json:"used"`
}

// Used returns when tokens were last used, as far as it is known: a server notes it once a
// minute, and a file that is lost or damaged is begun anew.
func (s *Store) Used() (map[string]time.Time, error) {
	b, err := durable.ReadFile(s.fs, usedName, maxUsedBytes)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, durable.ErrTooLarge) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var f usedFile
	if b, err = durable.Unseal(b); err == nil {
		err = durable.DecodeStrict(b, &f)
	}
	if err != nil {
		return nil, nil
	}
	return f.Used, nil
}

// writeUsed replaces the file. Only the process that holds the journal calls it.
func (s *Store) writeUsed(used map[string]time.Time) error {
	b, err := durable.Seal(&usedFile{used})
	if err != nil {
		return err
	}
	return durable.WriteFile(s.fs, usedName, b)
}

// noteUsed writes when tokens were last used, if that has changed.
func (k *Keyring) noteUsed(v *keyView) error {
	used := make(map[string]time.Time, len(v.keys))
	for id, key := range v.keys {
		if at := key.used.Load(); at > 0 {
			used[id] = time.Unix(at, 0).UTC()
		} else if at, ok := k.used[id]; ok {
			used[id] = at
		}
	}
	if maps.EqualFunc(used, k.used, time.Time.Equal) {
		return nil
	}
	if err := k.store.writeUsed(used); err != nil {
		return err
	}
	k.used = used
	return nil
}
