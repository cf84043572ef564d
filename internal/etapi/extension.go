package etapi

import (
	"context"
	"math"
	"net/http"

	"etude/internal/account"
	"etude/internal/transcode"
)

// extensions are operations of ours, which Elastic Transcoder never had, below
// paths that it never had: see docs/extensions.md. They are no part of the model
// that programs are given.
var extensions = []operation{
	{"ReadJobReport", "GET", "jobs/{Id}/etude", http.StatusOK, (*api).readJobReport},
	{"ReadJobPeaks", "GET", "jobs/{Id}/etude/peaks", http.StatusOK, (*api).readJobPeaks},
	{"ReadJobSpectrogram", "GET", "jobs/{Id}/etude/spectrogram.png", http.StatusOK, (*api).readJobSpectrogram},
}

// extensionShapes are what they take.
var extensionShapes = func() map[string]*shape {
	table := map[string]*shape{
		"Id":                        shapes["Id"],
		"Resolution":                enum("low high"),
		"ReadJobReportRequest":      structure("Id*@path"),
		"ReadJobPeaksRequest":       structure("Id*@path Resolution@query"),
		"ReadJobSpectrogramRequest": structure("Id*@path"),
	}
	return resolve(table)
}()

// shapeOf is the shape of that name, AWS's or ours.
func shapeOf(name string) *shape {
	if s, ok := shapes[name]; ok {
		return s
	}
	return extensionShapes[name]
}

// media is an answer that is no JSON of ours.
type media struct {
	contentType string
	content     []byte
}

// jobReport is what there is to say of a job beside what Elastic Transcoder
// says.
type jobReport struct {
	ID          string        `json:"Id"`
	Status      string        `json:"Status"`
	Progress    *progressJSON `json:"Progress"`    // null unless it runs
	Measurement *measuredJSON `json:"Measurement"` // null until it was measured
	Outputs     []outputReport
	Attempts    []attemptJSON `json:"Attempts,omitempty"` // for admins
}

type progressJSON struct {
	Phase       string
	Percent     float64
	SecondsLeft *float64 // null while nobody knows
}

// measuredJSON has null for the levels of silence.
type measuredJSON struct {
	Inputs     int // how many were joined
	SampleRate int
	Channels   int
	Samples    int64
	loudnessJSON
	ByProducts bool // whether there are peaks and a spectrogram
}

type loudnessJSON struct {
	IntegratedLUFS *float64
	RangeLU        float64
	TruePeakDBTP   *float64
	SamplePeakDBFS *float64
}

// outputReport has no Progress unless the output is being made, and no Loudness
// unless one was asked for, and reached.
type outputReport struct {
	ID       string `json:"Id"`
	Progress *progressJSON
	Loudness *reachedJSON
}

type reachedJSON struct {
	loudnessJSON
	GainDB  float64
	Limited bool // whether peaks were
}

type attemptJSON struct {
	Number          int
	Node            string
	StartTimeMillis int64
	EndTimeMillis   int64 `json:",omitempty"`
	Outcome         string
	Log             string
}

func (a *api) readJobReport(ctx context.Context, in request) (any, error) {
	id := transcode.JobID(in.text("Id"))
	job, err := a.Service.ReadJob(ctx, id)
	if err != nil {
		return nil, err
	}
	out := jobReport{ID: string(job.ID), Status: string(job.Status), Measurement: newMeasuredJSON(job)}
	var progress transcode.Progress
	if job.Status == transcode.Progressing {
		if progress, err = a.Service.Progress(ctx, id); err != nil {
			return nil, err
		}
		out.Progress = newProgressJSON(transcode.OutputProgress{Phase: progress.Phase, Done: progress.Done, Left: progress.Left})
	}
	for i := range job.Outputs {
		o := outputReport{ID: job.Outputs[i].ID}
		if m := job.Outputs[i].Made; m != nil && m.Loudness != nil {
			o.Loudness = &reachedJSON{newLoudnessJSON(m.Loudness.Loudness), round(m.Loudness.Gain, 100), m.Loudness.Limited}
		}
		if job.Outputs[i].Status == transcode.Progressing {
			o.Progress = newProgressJSON(progress.Output(o.ID))
		}
		out.Outputs = append(out.Outputs, o)
	}
	if in.role == account.Admin {
		if out.Attempts, err = a.attempts(ctx, id); err != nil {
			return nil, err
		}
	}
	return map[string]any{"Job": out}, nil
}

func newProgressJSON(p transcode.OutputProgress) *progressJSON {
	out := &progressJSON{Phase: string(p.Phase), Percent: round(100*p.Done, 10)}
	if p.Left > 0 {
		left := round(p.Left.Seconds(), 10)
		out.SecondsLeft = &left
	}
	return out
}

func newMeasuredJSON(j *transcode.Job) *measuredJSON {
	m := j.Measured
	if m == nil {
		return nil
	}
	return &measuredJSON{
		Inputs: len(j.Inputs), SampleRate: m.SampleRate, Channels: m.Channels, Samples: m.Samples,
		loudnessJSON: newLoudnessJSON(m.Loudness), ByProducts: m.Kept,
	}
}

func newLoudnessJSON(l transcode.Loudness) loudnessJSON {
	return loudnessJSON{roundLevel(l.Integrated), round(l.Range, 100), roundLevel(l.TruePeak), roundLevel(l.SamplePeak)}
}

func roundLevel(v *float64) *float64 {
	if v == nil {
		return nil
	}
	r := round(*v, 100)
	return &r
}

func round(v, parts float64) float64 { return math.Round(v*parts) / parts }

func (a *api) attempts(ctx context.Context, id transcode.JobID) ([]attemptJSON, error) {
	attempts, err := a.Service.Attempts(ctx, id)
	if err != nil {
		return nil, err
	}
	out := make([]attemptJSON, 0, len(attempts))
	for _, at := range attempts {
		j := attemptJSON{
			Number: at.Number, Node: at.Node, StartTimeMillis: millis(at.StartTime), EndTimeMillis: millis(at.EndTime),
			Outcome: string(at.Outcome), Log: at.Log,
		}
		if at.Outcome == transcode.Running {
			j.Outcome = "running"
		}
		out = append(out, j)
	}
	return out, nil
}

func (a *api) readJobPeaks(ctx context.Context, in request) (any, error) {
	if in.text("Resolution") == "high" {
		return a.byProduct(ctx, in, transcode.WaveformHigh)
	}
	return a.byProduct(ctx, in, transcode.WaveformLow)
}

func (a *api) readJobSpectrogram(ctx context.Context, in request) (any, error) {
	return a.byProduct(ctx, in, transcode.Spectrogram)
}

func (a *api) byProduct(ctx context.Context, in request, b transcode.ByProduct) (any, error) {
	content, err := a.Service.ReadByProduct(ctx, transcode.JobID(in.text("Id")), b)
	if err != nil {
		return nil, err
	}
	return media{b.ContentType(), content}, nil
}
