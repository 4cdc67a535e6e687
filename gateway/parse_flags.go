package gateway

import (
	"fmt"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/config"
)

// ForBackends returns the configuration of a gateway without a file: one route
// for every request, over the given backends, and the defaults. An empty listen
// or admin is the default; admin may be none. The error is [config.Problems],
// with the fields --listen, --admin and --to.
func ForBackends(listen, admin string, to []string) (Config, error) {
	var problems config.Problems
	bad := func(flag, problem, allowed string) { problems = append(problems, flagProblem(flag, problem, allowed)) }
	cfg := defaults()
	if listen != "" {
		var problem string
		if cfg.Listen, problem = parseAddress(listen); problem != "" {
			bad("--listen", problem, addressForm)
		}
	}
	r := Route{
		Path:        "/",
		Limit:       Limit{Law: "auto", New: limit.Default},
		Criticality: CriticalityRule{Default: penstock.SheddablePlus},
	}
	seen := map[string]bool{}
	for _, s := range to {
		u, problem := parseBackend(s)
		switch {
		case problem != "":
			bad("--to", problem, backendForm)
		case seen[u.String()]:
			bad("--to", u.String()+" stands here twice", "each backend once")
		default:
			seen[u.String()] = true
			r.To = append(r.To, u)
		}
	}
	if len(to) == 0 || len(to) > maxBackends {
		bad("--to", fmt.Sprintf("%d backends", len(to)), fmt.Sprintf("1 to %d", maxBackends))
	}
	cfg.Routes = []Route{r}
	cfg, problem := cfg.withAdmin(admin)
	if problem != nil {
		problems = append(problems, problem)
	}
	if len(problems) > 0 {
		return Config{}, problems
	}
	return cfg, nil
}

// WithAdmin returns the configuration with another address for the admin
// listener, as the flag --admin gives it; none is no listener, and empty changes
// nothing. The error is [config.Problems] with the field --admin.
func (c Config) WithAdmin(admin string) (Config, error) {
	out, problem := c.withAdmin(admin)
	if problem != nil {
		return c, config.Problems{problem}
	}
	return out, nil
}

func (c Config) withAdmin(admin string) (Config, *config.Problem) {
	switch admin {
	case "":
	case "none":
		c.Admin = ""
	default:
		var problem string
		if c.Admin, problem = parseAddress(admin); problem != "" {
			return c, flagProblem("--admin", problem, adminForm)
		}
	}
	if problem := sameAddress(c.Listen, c.Admin); problem != "" {
		return c, flagProblem("--admin", problem, differentPorts)
	}
	if problem := openAdmin(c.Admin, c.AdminTokenFile); problem != "" {
		return c, flagProblem("--admin", problem, adminGuarded)
	}
	return c, nil
}

func flagProblem(flag, problem, allowed string) *config.Problem {
	return &config.Problem{Field: flag, Text: problem + ", allowed: " + allowed}
}
