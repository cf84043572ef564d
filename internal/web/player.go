package web

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"etude/internal/transcode"
)

// playLife is how long a link holds that a player reads from: long enough to go
// back to the beginning of a long recording.
const playLife = 6 * time.Hour

// player is how a file is listened to and looked at.
type player struct {
	Name     string
	Plays    string // what is heard, as "FLAC"
	Audio    string // URL of it; empty where nothing can be played
	Length   string // seconds
	Pictures bool   // there are a waveform and a spectrogram
	Waveform string // URLs
	Peaks    string
	Spectrum string
	Loudness string // in words; empty if it was not measured
	Top      string // the upper edge of the spectrogram
}

// State tells one player from another: one that has not changed is left alone,
// since somebody may be listening.
func (p *player) State() string { return strings.Join([]string{p.Audio, p.Waveform, p.Loudness}, " ") }

// playable are the kinds of file that browsers play, the best first.
var playable = []string{"flac", "mp4", "mp3", "wav", "oga", "ogg", "webm"}

// newPlayer returns nil where there is nothing to hear or see.
func newPlayer(j *transcode.Job) *player {
	p := &player{Name: inputName(j)}
	base := fileURL(j.ID)
	if o := bestPlayable(j); o != nil {
		p.Plays, p.Audio = label(o), base+"/outputs/"+url.PathEscape(o.ID)+"/play"
		p.Length = strconv.FormatFloat(o.Made.Duration.Seconds(), 'f', 3, 64)
	}
	if m := j.Measured; m != nil {
		p.Loudness = loudnessWords(m.Loudness)
		if len(j.Inputs) > 1 {
			p.Loudness += fmt.Sprintf(", of all %d inputs together", len(j.Inputs))
		}
		p.Top = kilohertz(min(m.SampleRate/2, 22050))
		if m.Kept {
			p.Pictures = true
			p.Waveform, p.Peaks, p.Spectrum = base+"/waveform.svg", base+"/waveform.json", base+"/spectrogram.png"
		}
	}
	if p.Audio == "" && !p.Pictures && p.Loudness == "" {
		return nil
	}
	return p
}

// bestPlayable is the whole output that sounds best in a browser, or nil. One
// that is not as long as the file would not fit the waveform.
func bestPlayable(j *transcode.Job) *transcode.Output {
	for _, container := range playable {
		for i := range j.Outputs {
			o := &j.Outputs[i]
			whole := o.Status == transcode.Complete && o.Made != nil && j.OneObject(o) && len(o.Composition) == 0
			if whole && o.Preset.Container == container {
				return o
			}
		}
	}
	return nil
}

// loudnessWords is "-9.8 LUFS, range 6 LU, true peak +0.4 dBTP".
func loudnessWords(l transcode.Loudness) string {
	if l.Integrated == nil {
		if l.TruePeak == nil {
			return "silence"
		}
		return "too short for a loudness, true peak " + signed(*l.TruePeak) + " dBTP"
	}
	words := signed(*l.Integrated) + " LUFS, range " + strconv.FormatFloat(l.Range, 'f', 0, 64) + " LU"
	if l.TruePeak != nil {
		words += ", true peak " + signed(*l.TruePeak) + " dBTP"
	}
	return words
}

// signed writes a level with its sign: a minus, not a hyphen.
func signed(v float64) string {
	s := strconv.FormatFloat(v, 'f', 1, 64)
	switch {
	case s == "0.0" || s == "-0.0":
		return "0.0"
	case v < 0:
		return "−" + s[1:]
	}
	return "+" + s
}

// play sends a player to an output's object, under a link of its own.
func (s *Site) play(w http.ResponseWriter, v *visit) {
	ref, _, ok := s.output(w, v)
	if !ok {
		return
	}
	link, err := s.cfg.Objects.PresignGet(v.Context(), s.edge(v.Request), ref, "", playLife)
	if err != nil {
		s.broken(w, v.Request, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer") // the link is a key to the file
	http.Redirect(w, v.Request, link, http.StatusSeeOther)
}

// allowPlayer widens a page's policy by what a player needs: sound from where
// links to it lead, and the one style sheet of the script that draws, which
// has to show a word that nobody can guess.
func (s *Site) allowPlayer(w http.ResponseWriter, r *http.Request) (nonce string) {
	nonce = rand.Text()
	w.Header().Set("Content-Security-Policy", strings.NewReplacer(
		"style-src 'self'", "style-src 'self' 'nonce-"+nonce+"'",
		"media-src 'self'", "media-src 'self' "+origin(s.edge(r)),
	).Replace(contentPolicy))
	return nonce
}

// origin is the scheme and host of a URL, or nothing that a policy would allow.
func origin(base string) string {
	u, err := url.Parse(base)
	if err != nil || strings.ContainsAny(u.Host, " ;,'\"") {
		return "'none'"
	}
	return u.Scheme + "://" + u.Host
}

func (s *Site) spectrogram(w http.ResponseWriter, v *visit) {
	if content, ok := s.byProduct(w, v, transcode.Spectrogram); ok {
		sendPicture(w, "image/png", content)
	}
}

func (s *Site) peaks(w http.ResponseWriter, v *visit) {
	if content, ok := s.byProduct(w, v, transcode.WaveformLow); ok {
		sendPicture(w, "application/json", content)
	}
}

func (s *Site) waveform(w http.ResponseWriter, v *visit) {
	content, ok := s.byProduct(w, v, transcode.WaveformLow)
	if !ok {
		return
	}
	svg, err := drawWaveform(content)
	if err != nil {
		s.broken(w, v.Request, err)
		return
	}
	sendPicture(w, "image/svg+xml", svg)
}

// byProduct reads what is kept beside the job that the address names, or
// answers itself.
func (s *Site) byProduct(w http.ResponseWriter, v *visit, b transcode.ByProduct) ([]byte, bool) {
	job, ok := s.job(w, v)
	if !ok {
		return nil, false
	}
	content, err := s.cfg.Jobs.ReadByProduct(v.Context(), job.ID, b)
	if transcode.IsKind(err, transcode.NotFound) {
		s.notFound(w, v.Request)
		return nil, false
	}
	if err != nil {
		s.broken(w, v.Request, err)
		return nil, false
	}
	return content, true
}

// sendPicture answers with what stays the same as long as the job does.
func sendPicture(w http.ResponseWriter, contentType string, content []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "private, max-age=3600")
	_, _ = w.Write(content)
}

// drawWaveform draws peaks as one shape, in a colour that is seen on light and
// on dark.
func drawWaveform(peaks []byte) ([]byte, error) {
	var wave struct{ Data []int }
	if err := json.Unmarshal(peaks, &wave); err != nil {
		return nil, fmt.Errorf("read peaks: %w", err)
	}
	n := len(wave.Data) / 2
	if n == 0 {
		return nil, errors.New("read peaks: there are none")
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d 256" preserveAspectRatio="none"><path fill="#6f6ad2" d="M0 128`, n)
	for i := range n {
		fmt.Fprintf(&b, "L%d.5 %d", i, 127-wave.Data[2*i+1])
	}
	fmt.Fprintf(&b, "L%d 128", n)
	for i := n - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "L%d.5 %d", i, 129-wave.Data[2*i])
	}
	b.WriteString(`Z"/></svg>`)
	return []byte(b.String()), nil
}
