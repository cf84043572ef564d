package transcode

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"time"
)

// Identifiers as Elastic Transcoder forms them: 13 digits of epoch
// milliseconds, a hyphen, six of a-z and 0-9.
type (
	PipelineID string
	PresetID   string
	JobID      string
)

// IDPattern is the pattern of every identifier, from the API's service model.
const IDPattern = `^\d{13}-\w{6}$`

var idPattern = regexp.MustCompile(IDPattern)

// ValidID reports whether s has the form of an identifier.
func ValidID(s string) bool { return idPattern.MatchString(s) }

const idAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789"

// newID makes an identifier of now. Its last six characters come from the
// system's random source: 31 bits beside the millisecond.
func newID(now time.Time) string {
	id := []byte(fmt.Sprintf("%013d-", now.UnixMilli()))
	for range 6 {
		id = append(id, idAlphabet[randomBelow(len(idAlphabet))])
	}
	return string(id)
}

// randomBelow never fails: crypto/rand ends the program where the system has
// no random source.
func randomBelow(n int) int {
	v, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err)
	}
	return int(v.Int64())
}

func outputID(index int) string { return strconv.Itoa(index + 1) }
