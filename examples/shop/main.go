// Shop is four small services, front -> cart -> stock -> database, over HTTP and
// gRPC. Start it, send it load, throttle the database, and watch the pressure
// arrive at the front and the refusals move there:
//
//	go run ./examples/shop
//	penstock load http://127.0.0.1:9000/ --rate 300/s --for 60s --deadline 1s
//
// Then type slow 0.25, or fast. Each mechanism has a switch: -help.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-go/penstock/examples/shop/services"
)

func main() {
	var m services.Mechanisms
	address := flag.String("listen", "127.0.0.1:9000", "where the front listens")
	flag.BoolVar(&m.Admission, "admission", true, "protect each service")
	flag.IntVar(&m.Limit, "limit", 0, "a fixed limit for each service in place of the one that is found; 0 finds it")
	flag.BoolVar(&m.Signal, "signal", true, "let callers listen to their callees")
	flag.BoolVar(&m.Breakers, "breakers", false, "with -signal: a circuit breaker in front of each callee")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	guard, see := services.Guards(m)
	shop, err := services.Open(services.Config{Listen: *address, Guard: guard})
	if err != nil {
		log.Fatal(err)
	}
	defer shop.Close()
	fmt.Printf("The front is at http://%s/ . Type slow 0.25, fast, or quit.\n", shop.Addr)
	go func() {
		obey(os.Stdin, shop.Database)
		stop()
	}()
	watch(ctx, os.Stdout, *see)
}

// obey takes commands until there are no more.
func obey(in io.Reader, db *services.Database) {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		switch words := strings.Fields(lines.Text()); {
		case len(words) == 1 && words[0] == "quit":
			return
		case len(words) == 1 && words[0] == "fast":
			db.SetSpeed(1)
		case len(words) == 2 && words[0] == "slow":
			if x, err := strconv.ParseFloat(words[1], 64); err == nil && x > 0 && x <= 1 {
				db.SetSpeed(x)
				continue
			}
			fmt.Println("slow needs a number above 0, at most 1: a share of the database's speed")
		case len(words) > 0:
			fmt.Println("slow 0.25, fast, or quit")
		}
	}
}

// watch shows the services twice a second until ctx ends.
func watch(ctx context.Context, out io.Writer, all []*services.Protected) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	view := newView(all)
	for {
		select {
		case <-tick.C:
			_, _ = io.WriteString(out, view.frame(time.Now()))
		case <-ctx.Done():
			return
		}
	}
}
