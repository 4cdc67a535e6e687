package engine

// Level is how full a flow's entrance is: see [flow.Core.Level].
func (e *Engine) Level(name string) (float64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, err := e.flow(name)
	if err != nil {
		return 0, err
	}
	return f.core.Level(), nil
}
