package config

// Kinds are the top-level keys that tell what a file is about: routes are a
// gateway's, flows a flow server's, stages a scenario's.
var Kinds = []string{"routes", "flows", "stages"}

// Kind returns which of [Kinds] the file is of: the first of these keys at the
// top of the file. The error is [Problems].
func Kind(file string, data []byte) (string, error) {
	d := Parse(file, data)
	for _, e := range d.root.entries {
		for _, k := range Kinds {
			if e.key == k {
				return k, nil
			}
		}
	}
	d.Root().Bad("no kind of file that is known", Alternatives(Kinds...)+" at the top")
	return "", d.Err()
}
