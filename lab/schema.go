package lab

import "encoding/json"

// JSONSchema is the JSON Schema (draft 2020-12) of scenario files, for editors. It
// is made from the tables that [Parse] reads by. [Parse] knows more: what the
// keys mean together.
func JSONSchema() ([]byte, error) {
	properties := object{
		"name":  object{"type": "string", "pattern": `^[A-Za-z_][A-Za-z0-9_-]*$`, "maxLength": maxNameBytes, "description": topAbout["name"]},
		"about": object{"type": "string", "minLength": 1, "description": topAbout["about"]},
		"costs": object{"type": "string", "minLength": 1, "description": topAbout["costs"]},
		"run":   described(runKeys.jsonSchema(), topAbout["run"]),
		"expect": object{
			"type": "array", "items": object{"type": "string", "minLength": 1, "maxLength": MaxExpectationBytes},
			"minItems": 1, "maxItems": MaxExpectations, "description": topAbout["expect"],
		},
	}
	overlay := object{}
	for _, key := range systemKeys {
		properties[key] = described(object{"$ref": "#/$defs/" + key}, topAbout[key])
		overlay[key] = object{"description": "laid over " + key + ": mappings merge, lists replace, null removes."}
	}
	properties["variants"] = object{
		"type": "object", "maxProperties": MaxVariants, "description": topAbout["variants"],
		"additionalProperties": object{"type": []string{"object"}, "properties": overlay, "additionalProperties": false},
	}
	doc := object{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "penstock lab scenario",
		"type": "object", "properties": properties, "additionalProperties": false,
		"required": []string{"name", "about", "run", "stages"},
		"$defs":    definitions(),
	}
	out, err := json.MarshalIndent(doc, "", "  ")
	return append(out, '\n'), err
}

func described(o object, about string) object {
	o["description"] = about + "."
	return o
}

// topAbout says what the keys of a file are.
var topAbout = map[string]string{
	"name":        "what it is called: letters, digits, - and _",
	"about":       "what it shows, in a paragraph",
	"costs":       "what the protection costs, in a sentence",
	"run":         "how long a run is, and how many there are",
	"sources":     "who asks, by name",
	"stages":      "who serves, by name; {} where there are only other parts",
	"caches":      "look-aside caches, by name",
	"links":       "ways between parts, by name",
	"lines":       "stations one after another, by name",
	"bottlenecks": "queues of packets that senders share, by name",
	"reservoirs":  "water, by name",
	"events":      "what happens to parts",
	"variants":    "the system with some of its parts changed, by name: mappings merge, lists replace, null removes",
	"expect":      "what must hold",
}

// named are the kinds of parts with their keys.
var named = []struct {
	key    string
	schema func() object
	docs   func(path string) []KeyDoc
}{
	{"sources", sourceKeys.jsonSchema, sourceKeys.docs},
	{"stages", stageKeys.jsonSchema, stageKeys.docs},
	{"caches", cacheKeys.jsonSchema, cacheKeys.docs},
	{"links", linkKeys.jsonSchema, linkKeys.docs},
	{"lines", lineKeys.jsonSchema, lineKeys.docs},
	{"bottlenecks", bottleneckKeys.jsonSchema, bottleneckKeys.docs},
	{"reservoirs", reservoirKeys.jsonSchema, reservoirKeys.docs},
}

func definitions() object {
	defs := object{}
	for _, n := range named {
		defs[n.key] = object{"type": "object", "maxProperties": MaxParts, "additionalProperties": withoutRequired(n.schema())}
	}
	defs["events"] = object{"type": "array", "items": eventKeys.jsonSchema(), "minItems": 1, "maxItems": maxEvents}
	return defs
}

// withoutRequired lets a key be missing: a variant may bring it.
func withoutRequired(o object) object {
	delete(o, "required")
	return o
}
