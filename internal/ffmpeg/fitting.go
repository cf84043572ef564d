package ffmpeg

import "etude/internal/transcode"

// fitting is how a picture is fitted into its box: cut out of its middle, scaled,
// and put into the middle of what is made. All but the cut are even.
type fitting struct {
	CutWidth, CutHeight     int
	ScaleWidth, ScaleHeight int
	Width, Height           int
}

func (f *fitting) padded() bool { return f.Width != f.ScaleWidth || f.Height != f.ScaleHeight }

// newFitting follows "Sizing policy" in Elastic Transcoder's developer guide. How
// that rounded is not known; here it is to the nearest even number.
func newFitting(w, h int, p transcode.Picture) fitting {
	x, y := float64(p.MaxWidth)/float64(w), float64(p.MaxHeight)/float64(h)
	switch p.SizingPolicy {
	case "Fill":
		x = max(x, y)
		y = x
	case "Stretch":
	case "Keep":
		x, y = 1, 1
	case "ShrinkToFit":
		x = min(1, x, y)
		y = x
	case "ShrinkToFill":
		x = min(1, max(x, y))
		y = x
	default: // Fit
		x = min(x, y)
		y = x
	}
	var f fitting
	f.CutWidth, f.ScaleWidth = fitSide(w, p.MaxWidth, x)
	f.CutHeight, f.ScaleHeight = fitSide(h, p.MaxHeight, y)
	f.Width, f.Height = f.ScaleWidth, f.ScaleHeight
	if p.PaddingPolicy == "Pad" {
		f.Width, f.Height = p.MaxWidth, p.MaxHeight
	}
	return f
}

// fitSide returns how much of a side is used, and how long that becomes, for a
// factor and the side of the box.
func fitSide(n, box int, factor float64) (cut, becomes int) {
	if factor == 1 {
		becomes = max(min(n, box)&^1, 2)
		return min(n, becomes), becomes
	}
	becomes = max(2*int(float64(n)*factor/2+0.5), 2)
	if becomes <= box {
		return n, becomes
	}
	return max(min(int(float64(box)/factor+0.5), n), 1), box
}
