package measure

import "strconv"

// AppendJSON appends the waveform as JSON, in the form of version 2 of the BBC's
// audiowaveform, which players read: data has the least and the greatest sample
// of each stretch of samples_per_pixel frames in turn.
func (w Waveform) AppendJSON(b []byte) []byte {
	b = append(b, `{"version":2,"channels":1,"sample_rate":`...)
	b = strconv.AppendInt(b, int64(w.Rate), 10)
	b = append(b, `,"samples_per_pixel":`...)
	b = strconv.AppendInt(b, int64(w.Width), 10)
	b = append(b, `,"bits":8,"length":`...)
	b = strconv.AppendInt(b, int64(len(w.Points)), 10)
	b = append(b, `,"data":[`...)
	for i, p := range w.Points {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(p[0]), 10)
		b = append(b, ',')
		b = strconv.AppendInt(b, int64(p[1]), 10)
	}
	return append(b, "]}"...)
}
