package gateway

// ConfigKeys are the keys that Parse knows: dotted, those of a route without
// routes[]. The second list is of those that it only refuses.
func ConfigKeys() (known, later []string) {
	known = append(known, topKeys...)
	known = append(known, routeKeys...)
	for parent, keys := range map[string][]string{
		"match": matchKeys, "limit": limitKeys, "waiting_room": roomKeys, "rate": rateKeys, "criticality": criticalityKeys,
	} {
		for _, key := range keys {
			known = append(known, parent+"."+key)
		}
	}
	return known, laterKeys
}
