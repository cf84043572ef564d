package web

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// megabytes words a size for people, in powers of ten as file managers do:
// "34.1 MB".
func megabytes(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d bytes", n)
	}
	v, unit := float64(n), ""
	for _, unit = range []string{"kB", "MB", "GB", "TB"} {
		if v /= 1000; v < 999.95 {
			break
		}
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " " + unit
}

// limit words how large something may be, in the unit in which that is set:
// "500 MiB", "5 GiB".
func limit(n int64) string {
	unit, name := int64(1<<20), " MiB"
	switch {
	case n < 1<<20:
		return fmt.Sprintf("%d bytes", n)
	case n >= 1<<30 && n%(1<<29) == 0:
		unit, name = 1<<30, " GiB"
	}
	return strings.TrimSuffix(strconv.FormatFloat(float64(n)/float64(unit), 'f', 1, 64), ".0") + name
}

// clock words a length of sound: "3:07", "1:02:45"; what is shorter than a
// second, or has no length, as it is.
func clock(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	s := int64(math.Round(d.Seconds()))
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// span words how long something takes: "1 s", "45 s", "3 min", "2 h 5 min".
func span(d time.Duration) string {
	s := max(int64(math.Round(d.Seconds())), 1)
	switch {
	case s < 90:
		return fmt.Sprintf("%d s", s)
	case s < 90*60:
		return fmt.Sprintf("%d min", (s+30)/60)
	}
	return fmt.Sprintf("%d h %d min", s/3600, s/60%60)
}

// kilohertz words a sample rate: "44.1 kHz".
func kilohertz(hz int) string {
	return strconv.FormatFloat(float64(hz)/1000, 'f', -1, 64) + " kHz"
}

func channelWord(n int) string {
	switch n {
	case 1:
		return "mono"
	case 2:
		return "stereo"
	}
	return fmt.Sprintf("%d channels", n)
}

// codecWord names a codec, which comes by ffmpeg's name, as people do.
func codecWord(name string) string {
	switch {
	case strings.HasPrefix(name, "pcm_"):
		return "PCM"
	case name == "vorbis":
		return "Vorbis"
	case name == "opus":
		return "Opus"
	}
	return strings.ToUpper(name)
}

// moment is a time for a page: as the server words it, and as the script can
// word it again in the reader's own zone.
type moment struct {
	Text    string
	Machine string
}

func momentOf(t time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	t = t.UTC()
	return moment{Text: t.Format("2 Jan 2006, 15:04") + " UTC", Machine: t.Format(time.RFC3339)}
}
