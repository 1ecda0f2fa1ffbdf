package native

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/annals-io/annals/engine"
	"github.com/annals-io/annals/internal/durable"
	"github.com/annals-io/annals/internal/index"
	"github.com/annals-io/annals/internal/wal"
	"github.com/annals-io/annals/merkle"
	"golang.org/x/mod/sumdb/note"
)

// Names in a journal's directory.
const (
	lockName       = "LOCK"
	identityName   = "journal.json"
	stateName      = "state"
	checkpointName = "checkpoint"
	reserveName    = "reserve"
	keysDir        = "keys"
	signerName     = keysDir + "/checkpoint.key"
	verifierName   = keysDir + "/checkpoint.vkey"
)

// FormatVersion is the version of the directory that this package makes.
const FormatVersion = 1

// maxMetaBytes bounds the small files.
const maxMetaBytes = 64 << 10

// An identity is the content of journal.json. It never changes.
type identity struct {
	ID      string `json:"id"`     // 16 bytes in hex
	Origin  string `json:"origin"` // of the checkpoints
	Format  int    `json:"format"`
	Created string `json:"created"` // RFC 3339
}

// id returns the journal's id as the log carries it.
func (id *identity) id() (b [16]byte, err error) {
	raw, err := hex.DecodeString(id.ID)
	if err != nil || len(raw) != len(b) {
		return b, errors.New("journal id is not 16 bytes in hex")
	}
	copy(b[:], raw)
	return b, nil
}

// An end is the content of the state file.
type end struct {
	Ordinal uint32 `json:"ordinal"`
	End     int64  `json:"end"`
	Chain   string `json:"chain"` // hex
	Entries uint64 `json:"entries"`
}

func writeSealed(fsys durable.FS, name string, v any) error {
	b, err := durable.Seal(v)
	if err != nil {
		return err
	}
	return durable.WriteFile(fsys, name, b)
}

// readSealed reads a small file and decodes it. It reports false if there is
// none; one that does not check out is a *engine.CorruptError.
func readSealed(fsys durable.FS, name string, decode func(b []byte) error) (bool, error) {
	b, err := durable.ReadFile(fsys, name, maxMetaBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", name, err)
	}
	if b, err = durable.Unseal(b); err == nil {
		err = decode(b)
	}
	if errors.Is(err, engine.ErrNewerFormat) {
		return false, fmt.Errorf("read %s: %w", name, err)
	}
	if err != nil {
		return false, &engine.CorruptError{Path: name, Err: err}
	}
	return true, nil
}

// readIdentity reads journal.json. It reports false if there is none and nothing
// else of a journal either.
func readIdentity(fsys durable.FS) (identity, bool, error) {
	var id identity
	ok, err := readSealed(fsys, identityName, id.decode)
	if err != nil || ok {
		return id, ok, err
	}
	name, err := remains(fsys)
	if err == nil && name != "" {
		err = &engine.CorruptError{Path: identityName, Offset: -1, Err: fmt.Errorf("file is missing, but %s is there", name)}
	}
	return id, false, err
}

// decode reads the content of journal.json. A later format is recognised first:
// it may have members that this one does not know.
func (id *identity) decode(b []byte) error {
	var probe struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(b, &probe); err != nil {
		return err
	}
	if probe.Format > FormatVersion {
		return fmt.Errorf("format is %d, this program reads %d: %w", probe.Format, FormatVersion, engine.ErrNewerFormat)
	}
	if probe.Format != FormatVersion {
		return fmt.Errorf("format %d is unknown", probe.Format)
	}
	if err := durable.DecodeStrict(b, id); err != nil {
		return err
	}
	_, err := id.id()
	return err
}

// create makes a new journal. journal.json is written last: without it there is
// no journal, and a creation that was cut short starts over.
func create(fsys durable.FS, origin string, now time.Time) (identity, error) {
	var raw [16]byte
	rand.Read(raw[:])
	id := identity{ID: hex.EncodeToString(raw[:]), Origin: origin, Format: FormatVersion, Created: now.UTC().Format(time.RFC3339)}
	if id.Origin == "" {
		id.Origin = "annals/" + id.ID
	}
	for _, dir := range []string{wal.Dir, tilesDir, keysDir, index.Dir} {
		if err := fsys.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
			return id, fmt.Errorf("make directory %s: %w", dir, err)
		}
	}
	// Or a power cut could keep journal.json and lose a directory.
	if err := fsys.SyncDir("."); err != nil {
		return id, fmt.Errorf("sync directory: %w", err)
	}
	skey, vkey, err := merkle.GenerateKey(rand.Reader, id.Origin)
	if err != nil {
		return id, err
	}
	if err := durable.WriteFile(fsys, signerName, []byte(skey+"\n")); err != nil {
		return id, fmt.Errorf("write key: %w", err)
	}
	if err := durable.WriteFile(fsys, verifierName, []byte(vkey+"\n")); err != nil {
		return id, fmt.Errorf("write key: %w", err)
	}
	if _, err := makeSecret(fsys, true); err != nil {
		return id, err
	}
	if err := writeSealed(fsys, identityName, &id); err != nil {
		return id, fmt.Errorf("write %s: %w", identityName, err)
	}
	return id, nil
}

// remains returns the name of a file that there would not be without
// journal.json, "" if there is none.
func remains(fsys durable.FS) (string, error) {
	infos, err := fsys.ReadDir(wal.Dir)
	if err != nil && !isNotExist(err) {
		return "", fmt.Errorf("list log: %w", err)
	}
	for _, info := range infos {
		if strings.HasSuffix(info.Name, ".wal") {
			return wal.Dir + "/" + info.Name, nil
		}
	}
	for _, name := range []string{stateName, checkpointName, levelName(0)} {
		if _, err := fsys.Stat(name); err == nil {
			return name, nil
		} else if !isNotExist(err) {
			return "", fmt.Errorf("look for %s: %w", name, err)
		}
	}
	return "", nil
}

// readLine reads a key file, which holds one line.
func readLine(fsys durable.FS, name string) (string, error) {
	b, err := durable.ReadFile(fsys, name, maxMetaBytes)
	if isNotExist(err) {
		return "", &engine.CorruptError{Path: name, Offset: -1, Err: errors.New("file is missing")}
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	line, ok := strings.CutSuffix(string(b), "\n")
	if !ok || strings.ContainsAny(line, "\r\n") {
		return "", &engine.CorruptError{Path: name, Offset: -1, Err: errors.New("file is not one line")}
	}
	return line, nil
}

// checkKeyText checks that a key is written as it was made: its parser takes
// other letter cases too.
func checkKeyText(name, line, prefix string, key interface {
	Name() string
	KeyHash() uint32
}) error {
	if !strings.HasPrefix(line, fmt.Sprintf("%s%s+%08x+", prefix, key.Name(), key.KeyHash())) {
		return &engine.CorruptError{Path: name, Offset: -1, Err: errors.New("key is not in its normal form")}
	}
	return nil
}

// readSigner reads the checkpoint key.
func readSigner(fsys durable.FS) (note.Signer, error) {
	line, err := readLine(fsys, signerName)
	if err != nil {
		return nil, err
	}
	s, err := note.NewSigner(line)
	if err != nil {
		return nil, &engine.CorruptError{Path: signerName, Offset: -1, Err: err}
	}
	return s, checkKeyText(signerName, line, "PRIVATE+KEY+", s)
}

// readVerifier reads the public half of the checkpoint key.
func readVerifier(fsys durable.FS) (note.Verifier, error) {
	line, err := readLine(fsys, verifierName)
	if err != nil {
		return nil, err
	}
	v, err := note.NewVerifier(line)
	if err != nil {
		return nil, &engine.CorruptError{Path: verifierName, Offset: -1, Err: err}
	}
	return v, checkKeyText(verifierName, line, "", v)
}

// VerifierKey returns the public key of the checkpoints, as C2SP writes it.
func (e *Engine) VerifierKey() (string, error) { return readLine(e.fs, verifierName) }

// A signed is a checkpoint file that checked out.
type signed struct {
	merkle.Checkpoint
	note []byte
}

// readCheckpoint reads and verifies the checkpoint. It is nil if there is none.
func readCheckpoint(fsys durable.FS, id identity, v note.Verifier) (*signed, error) {
	b, err := durable.ReadFile(fsys, checkpointName, maxMetaBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", checkpointName, err)
	}
	c, err := merkle.Open(b, v)
	if err == nil && c.Origin != id.Origin {
		err = fmt.Errorf("origin is %q, the journal's is %q", c.Origin, id.Origin)
	}
	if err != nil {
		return nil, &engine.CorruptError{Path: checkpointName, Offset: -1, Err: err}
	}
	return &signed{c, b}, nil
}

// evidence gathers what vouches for the log besides the log itself.
func evidence(fsys durable.FS, c *signed, tiles uint64) (wal.Evidence, error) {
	var ev wal.Evidence
	if c != nil && c.Size > 0 {
		ev.Entries, ev.By = engine.Position(c.Size), checkpointName
	}
	if engine.Position(tiles) > ev.Entries {
		ev.Entries, ev.By = engine.Position(tiles), tilesDir
	}
	var err error
	ev.State, err = readState(fsys)
	return ev, err
}

// readState reads where the log ended when it was closed last, nil if it never was.
func readState(fsys durable.FS) (*wal.State, error) {
	var e end
	ok, err := readSealed(fsys, stateName, func(b []byte) error { return durable.DecodeStrict(b, &e) })
	if err != nil || !ok {
		return nil, err
	}
	s := &wal.State{Ordinal: e.Ordinal, End: e.End, Entries: engine.Position(e.Entries)}
	chain, err := hex.DecodeString(e.Chain)
	if err != nil || len(chain) != len(s.Chain) {
		return nil, &engine.CorruptError{Path: stateName, Err: errors.New("chain hash is not 32 bytes in hex")}
	}
	copy(s.Chain[:], chain)
	return s, nil
}

func writeState(fsys durable.FS, s *wal.State) error {
	e := end{Ordinal: s.Ordinal, End: s.End, Chain: hex.EncodeToString(s.Chain[:]), Entries: uint64(s.Entries)}
	if err := writeSealed(fsys, stateName, &e); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
