package ffmpeg

// Report is what an Encoder found on this host, for the operator.
type Report struct {
	FFmpeg  string // the program's path
	Version string
	// AAC is the encoder that makes AAC: libfdk_aac, which is faster and makes
	// HE-AAC too, or ffmpeg's own, "aac". Empty where there is none.
	AAC string
	// Missing are the codecs that cannot be made, as presets call them.
	Missing []string
	Soxr    bool // resampling by libsoxr; else by ffmpeg's own
	// Sandbox is the mode that is used, never Auto; SandboxDoes says what that
	// does, and Weaker why it is not a stronger one, or is empty.
	Sandbox     Mode
	SandboxDoes string
	Weaker      string
}

// Report finds out what this host has.
func (e *Encoder) Report() (*Report, error) {
	t, err := e.toolchain()
	if err != nil {
		return nil, err
	}
	r := &Report{
		FFmpeg: t.ffmpeg, Version: t.can.Version, AAC: t.can.best("libfdk_aac", "aac"), Soxr: t.can.Soxr,
		Sandbox: t.sandbox.mode, SandboxDoes: t.sandbox.String(),
	}
	if err := t.weaker(); err != nil {
		r.Weaker = err.Error()
	}
	missing := map[string]bool{}
	for _, target := range targets {
		if len(target.Encoders) > 0 && t.can.best(target.Encoders...) == "" && !missing[target.codec] {
			missing[target.codec] = true
			r.Missing = append(r.Missing, target.codec)
		}
	}
	return r, nil
}
