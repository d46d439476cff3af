/**
 * What Heddle has for being observed, so that it can be taken out of a copy: counts and times for metrics, the asking whether somebody watches
 * for contention or traces, and what is kept for that.
 */
type Cut = readonly [out: RegExp, instead: string]

/** Whole lines. */
const line = (text: string): Cut => [new RegExp(`^ *${text} *\n`, "gm"), ""]
const put = (out: RegExp, instead = ""): Cut => [out, instead]

const counts = line(String.raw`(?:this\.)?(?:[\w]+\.)*counts(?:\.\w+|\[\w+\])(?:\+\+|--| [+-]= .*)`)
const taken = line(String.raw`const \{ counts(?:, latency)? \} = this\.\w+`)

/** What is taken out of each file of the sources. */
export const cuts: Readonly<Record<string, ReadonlyArray<Cut>>> = {
  "flow/KeyedMutex.ts": [
    line(String.raw`const observer = .*`),
    put(
      /if \(observer === undefined\) return Effect\.succeed\(plain\)[^]*?\n {2}\}\)\n/,
      "return Effect.succeed(plain)\n  })\n"
    )
  ],
  "flow/ThreadPool.ts": [
    put(/return observer === undefined\s+\?( pool\.submit\(work, how\))\s+: .*/, "return$1"),
    line("const metrics = .*"),
    line("const observer = .*"),
    put(/context, metrics, changes/, "context, changes"),
    put(/const contended = .*/)
  ],
  "flow/WorkerPool.ts": [
    put(/return observer === undefined\s+\?( pool\.submit\(task, how\))\s+: .*/, "return$1"),
    line("const metrics = .*"),
    line("const observer = .*"),
    put(/context, metrics, changes/, "context, changes"),
    put(/const contended = .*/)
  ],
  "flow/internal/PoolTally.ts": [
    line(String.raw`this\.metrics\.counts.*`),
    line(String.raw`this\.metrics\.took.*`),
    line(String.raw`(?:readonly metrics: PoolMetrics|this\.metrics = metrics)`)
  ],
  "flow/internal/PoolRoom.ts": [
    line(String.raw`const \{ counts \} = .*`),
    put(/new PriorityLine\(\(by\) => .*\)/g, "new PriorityLine()")
  ],
  "flow/internal/PriorityLine.ts": [
    line(String.raw`this\.counted.*`),
    line(String.raw`private readonly counted: .*`),
    put(/constructor\(counted: [^]*?\) \{\n {2}\}\n/)
  ],
  "flow/internal/TaskPool.ts": [
    line(String.raw`this\.settings\.metrics\.counts.*`),
    put(/const \{ counts \} = this\.settings\.metrics\n.*\n/),
    put(/new PoolTally\(this\.now\(\), settings\.metrics\)/, "new PoolTally(this.now())")
  ],
  "flow/internal/keyedLines.ts": [
    counts,
    line(String.raw`this\.metrics = .*`),
    line("private readonly metrics: .*"),
    line(String.raw`const \{ latency \} = this\.metrics`),
    line("since(?:: number| = 0)"),
    line(String.raw`if \(latency !== undefined\) turn\.since.*`),
    line(String.raw`latency\?\.took.*`)
  ],
  "flow/internal/pipelineStage.ts": [counts, line(String.raw`this\.around\.took.*`)],
  "flow/internal/pipelineRun.ts": [
    line(String.raw`const \{ counts, latency \} = metrics.*`),
    put(/ counts, took: latency\?\.took,/)
  ],
  "flow/internal/batchQueue.ts": [
    counts,
    taken,
    line(String.raw`this\.tally = tally`),
    line("private readonly tally: .*"),
    put(/tally\.latency !== undefined \|\| /),
    line(String.raw`if \(seat\.turn !== undefined\) .*`),
    line(String.raw`if \(this\.observed\) .*`),
    put(/ *if \(latency !== undefined\) \{[^]*?\n {4}\}\n/),
    put(/ *let completed = 0\n.*\n.*\n/)
  ],
  "flow/internal/batchSeat.ts": [line("readonly turn: .*"), line(String.raw`this\.turn = turn`)],
  "flow/internal/batchFlights.ts": [put(/metrics\.of\(context, \{ name \}\)/, "undefined")],
  "flow/internal/batching.ts": [
    line(String.raw`private readonly observer.*`),
    line(String.raw`this\.observer = .*`),
    put(/return this\.observer === undefined\s+\?( this\.brought\(item\))[^]*?\n {6}\)\n/, "return$1\n"),
    put(/, turn\?: Turn/g),
    put(/, turn\)/g, ")")
  ],
  "flow/internal/partitionLanes.ts": [
    counts,
    taken,
    line(String.raw`this\.tally = .*`),
    line("private readonly tally: .*"),
    line(String.raw`if \(latency !== undefined\) .*`),
    line(String.raw`latency\?\.took.*`),
    put(/ *if \(how === "completed"\).*\n.*\n.*\n/)
  ],
  "flow/internal/partitions.ts": [
    line(String.raw`private readonly observer.*`),
    line(String.raw`this\.observer = .*`),
    put(
      /const \{ key: keyOf[^]*?return this\.brought\(item\)\n[^]*?\n {4}\}\)\n/,
      "return this.brought(item)\n"
    ),
    put(/, turn\?: Turn/),
    line(String.raw`job\.turn = turn`)
  ],
  "flow/internal/partitionRunner.ts": [
    put(/const \{ item, turn \}/, "const { item }"),
    line(String.raw`turn\?\.entered\(\)`),
    put(/within\(turn, (this\.handle\(item\))\)/, "$1")
  ],
  "flow/internal/Ticket.ts": [line("turn: Turn .*"), line("since = 0")],
  "flow/internal/fanOutLane.ts": [line("since = 0")],
  "flow/internal/fanOutLanes.ts": [
    counts,
    line(String.raw`const \{ counts \} = this\.tally`),
    line(String.raw`this\.(?:tally|latency|told|book)(?: =|\().*`),
    line(String.raw`(?:if \(this\.line !== undefined\) )?this\.tally\.tellers.*`),
    line("private (?:readonly (?:tally|latency): .*|told = nothing)"),
    line("(?:before|behind|line): .*Teller.*"),
    line(String.raw`if \(this\.latency !== undefined\) .*`)
  ],
  "flow/internal/hedgeRace.ts": [
    put(/isTraced\(fiber\)\s+\?[^]*?: (racing.*), false/, "$1"),
    line(String.raw`(?:private readonly isTraced: boolean|this\.isTraced = isTraced)`),
    put(/, isTraced: boolean/g),
    put(/, isTraced\)/, ")"),
    put(/const effect = this\.isTraced.*/, "const effect = plain"),
    line(String.raw`counts\.\w+\+\+`),
    line(String.raw`this\.metrics\.counts.*`),
    line(String.raw`this\.metrics = .*`),
    line("private readonly metrics: .*"),
    line(String.raw`const \{ counts(?:, latency)? \} = this\.metrics`),
    line(String.raw`latency\?\.took.*`)
  ],
  "flow/internal/multiplexerLane.ts": [
    counts,
    taken,
    line(String.raw`this\.tally = .*`),
    line("private readonly tally: .*"),
    line("private gauged = true"),
    put(/, latency === undefined \? 0 : latency\.now\(\)/),
    line(String.raw`this\.gauge\(.*`),
    line(
      String.raw`(?:readonly since: number|this\.since = since|if \(this\.over\) this\.tally.*|this\.gauged = false)`
    ),
    put(/, since: number\)/, ")"),
    line(String.raw`if \(latency !== undefined\) .*`),
    put(/ *private gauge\([^]*?\n {2}\}\n/)
  ],
  "flow/Multiplexer.ts": [put(/, metrics\.of\(context, \{ name, source \}\)/)],
  "resilience/internal/Places.ts": [
    put(/return this\.observer === undefined\s+\?( this\.enter\(call\))\s+: .*/, "return$1"),
    line(String.raw`this\.(?:calls|gauge)[.[].*`),
    line(String.raw`this\.(?:observer|contended|waits|calls|gauge|context) = .*`),
    line(String.raw`private readonly (?:observer|contended|waits|calls|gauge|context): .*`),
    line(String.raw`outcome: Outcome = .*`),
    line(String.raw`turn\.outcome = .*`),
    line(String.raw`const since = this\.now\(\)`),
    put(/ *const out = [^]*?\n {4}\}\n/),
    line(String.raw`out\(\)`)
  ],
  "resilience/internal/AdaptivePlaces.ts": [
    put(/return this\.observer === undefined\s+\?( this\.admit\(call, partition\))\s+: .*/, "return$1"),
    line(String.raw`this\.(?:calls|levels)[.[].*`),
    line(String.raw`this\.(?:observer|contended|calls|levels) = .*`),
    line(String.raw`private readonly (?:observer|contended|calls|levels): .*`)
  ],
  "resilience/internal/Limit.ts": [
    counts,
    line(String.raw`this\.counts = .*`),
    line("private readonly counts: .*")
  ],
  "resilience/internal/breaker.ts": [
    line(String.raw`shared\.calls\[.*`),
    line(String.raw`(?:turns\[to\]\+\+|if \(from === "closed"\) refusing.*|else if \(to === "closed"\) refusing.*)`),
    put(/,\s+calls: callsOf[^]*?refusingOf\(.*\)/),
    put(/, refusing, turns \} = shared/, " } = shared")
  ],
  "resilience/Retry.ts": [counts, line("const counts = .*")],
  "resilience/RetryBudget.ts": [line("const counts = .*"), line(String.raw`counts\[allowed .*`)],
  "messaging/Broker.ts": [
    line("const tally = .*"),
    put(/Effect\.map\((steps\.publish\(checked\)), .*\)/, "$1"),
    put(/, tally\)/g, ")"),
    put(/, tally: MessageTally\)/, ")")
  ],
  "messaging/internal/inbox.ts": [
    line(String.raw`this\.tally.*`),
    line("private readonly tally: .*"),
    put(/, tally: MessageTally\)/, ")")
  ],
  "messaging/internal/workQueue.ts": [
    line("const tally = .*"),
    line("tally,"),
    line("running: .*"),
    line("onLost: .*")
  ],
  "messaging/internal/workProcess.ts": [
    line(String.raw`this\.job\.running\.running.*`),
    line(String.raw`onLost\(\)`),
    put(/onLost, settler/, "settler")
  ],
  "messaging/internal/workSettle.ts": [line(String.raw`this\.telling\.tally.*`)],
  "messaging/internal/workTrace.ts": [
    put(/export const traceOf = [^]*?\n\n/, "export const traceOf = () => none\n\n"),
    put(/Effect\.withFiber\(\(fiber\) =>[^]*$/, "Effect.suspend(work)\n")
  ],
  "messaging/internal/topicTrace.ts": [
    put(/(callHeaders.*= )Effect\.withFiber[^]*?\n\)\n/, "$1Deadline.headers\n"),
    put(/Effect\.withFiber\(\(fiber\) => \{\n {4}const parent[^]*?\n {2}\}\)/, "effect")
  ],
  "messaging/internal/log.ts": [line("appendedTally.*")],
  "internal/traced.ts": [put(/Effect\.withFiber\(\(fiber\) => isTraced.*/, "effect")],
  "coordination/Once.ts": [put(/return isTraced\(fiber\)[^]*?: called\n/, "return called\n")],
  "coordination/internal/onceCall.ts": [
    put(/return Effect\.onExitPrimitive\(call\.look[^]*?\n {2}\}\)\n/, "return call.look\n"),
    line(String.raw`this\.outcome = .*`),
    line(String.raw`outcome: .*`)
  ],
  "coordination/internal/kvTyped.ts": [
    put(
      /const call = run\(store, fiber\.context\)\n[^]*?: call\n/,
      "return run(store)\n"
    ),
    put(/const \{ written \} = [^]*?\n {4}\}\)\n/, "return write\n"),
    line(String.raw`const metrics = this\.metricsOf\(store\)`),
    line(String.raw`missed: metrics\.missed,`),
    put(/Effect\.tapError\(\n( *Effect\.map\(this\.codec.*\)),\n *\(\) => metrics\.undecodable\n *\)/, "$1")
  ],
  "coordination/internal/leaseClaims.ts": [
    line(String.raw`this\.keeper\.metrics\.waiting.*`),
    line(String.raw`this\.keeper\.looked = .*`)
  ],
  "coordination/internal/leaseKeeper.ts": [line(String.raw`looked = -Infinity`), line(String.raw`this\.looked = now`)],
  "coordination/internal/leaseAttempt.ts": [
    line(String.raw`const (?:traced|waiting|start|since|left|outcome|turn) = .*`),
    put(/const \{ metrics, now, observer \} = .*/, "const now = monotonic(Context.get(context, Clock))"),
    put(/return traced\n[^]*?: under\n/, "return under\n"),
    put(/const run = traced[^]*?: bare\n/, "const run = bare\n"),
    put(/, \{ now, at: start \}/),
    line(String.raw`ended\(.*\)`),
    line(String.raw`(?:metrics|turn\?)\..*`),
    put(/underTurn\(turn, (section\(lease\))\)/, "$1"),
    put(/hold\(metrics, door, now, section, call, waiting\)/, "hold(door, section, call)"),
    line(String.raw`(?:metrics: LockMetrics|now: \(\) => number|waiting: \(\(\) => .*),?`),
    put(/^/, `import { Clock } from "effect/Clock"\nimport { monotonic } from "../../internal/monotonic.ts"\n`)
  ]
}

/** A file without that. A part that is no more found in it is an error, so that nothing is left in without anybody knowing. */
export const bare = (file: string, source: string): string =>
  (cuts[file] ?? []).reduce((text, [out, instead]) => {
    const less = text.replace(out, instead)
    if (less === text) throw new Error(`${file} has no ${String(out)} any more: correct what is taken out of it`)
    return less
  }, source)
