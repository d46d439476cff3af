/**
 * The meaning of a lease store, as a pure function of one resource's state, the time, and a command.
 *
 * The memory layer runs it behind a thin shell. A backend's tests run it beside the backend and compare, command by
 * command: where the two disagree, the backend is wrong.
 *
 * The invariant: the permits of the live holders never pass `limit`, nobody who waits is overtaken, and each grant has
 * a token above every token granted before.
 *
 * @since 0.1.0
 */

/**
 * Who holds permits of a resource, until when on the store's clock (milliseconds).
 *
 * @category models
 * @since 0.1.0
 */
export interface Holder {
  readonly id: string
  readonly owner: string
  readonly value: string
  readonly permits: number
  readonly token: number
  readonly since: number
  readonly until: number
}

/**
 * Who stands in line. A waiter whose `until` has passed is dead: it is skipped when its turn comes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Waiter {
  readonly id: string
  readonly session: string
  readonly owner: string
  readonly value: string
  readonly permits: number
  readonly tokens: number
  readonly ttl: number
  readonly patience: number
  readonly since: number
  readonly until: number
}

/**
 * All that a store knows of a resource; nothing at all (`undefined`) when nobody holds it or waits for it.
 *
 * `limit` is how many permits there are, and `named` how many its callers say there are; they differ from a `Resize` on
 * until one to the named number, and meanwhile the state is kept. `gone` are ids that were withdrawn before their claim was seen: a claim of such an id that arrives late is refused.
 *
 * @category models
 * @since 0.1.0
 */
export interface State {
  readonly limit: number
  readonly named: number
  readonly token: number
  readonly holders: ReadonlyArray<Holder>
  readonly queue: ReadonlyArray<Waiter>
  readonly gone: ReadonlyArray<{ readonly id: string; readonly until: number }>
}

/**
 * The store's clock at one step: milliseconds, and the least token that may be granted now.
 *
 * @category models
 * @since 0.1.0
 */
export interface Instant {
  readonly now: number
  readonly floor: number
}

/**
 * Asks for permits. Asked again with the same id it answers the same, and tells that the waiter still lives.
 *
 * @category commands
 * @since 0.1.0
 */
export interface Claim {
  readonly _tag: "Claim"
  readonly id: string
  readonly session: string
  readonly owner: string
  readonly value: string
  readonly permits: number
  readonly limit: number
  /** How many consecutive tokens the grant reserves. */
  readonly tokens: number
  readonly ttl: number
  /** Whether to stand in line when the permits are not free. */
  readonly wait: boolean
  /** For how long (ms) a waiter counts as alive after it last asked; also the most that a pushed grant is good for. */
  readonly patience: number
}

/**
 * What a store is asked to do, one atomic step each.
 *
 * `Release` of an id that is neither holder nor waiter is remembered for `remember` ms (0: not at all). `Update` with
 * `permits` gives back those that a holder has above that number. `Resize` to fewer permits than are granted takes none
 * away: as many are given back before the next is granted.
 *
 * @category commands
 * @since 0.1.0
 */
export type Command =
  | Claim
  | { readonly _tag: "Renew"; readonly id: string; readonly ttl: number }
  | { readonly _tag: "Release"; readonly id: string; readonly remember: number }
  | {
    readonly _tag: "Update"
    readonly id: string
    readonly value?: string | undefined
    readonly permits?: number | undefined
  }
  | { readonly _tag: "Resize"; readonly limit: number }

/**
 * What a store answers. `Queued.next` is after how many ms a holder's lease may end by itself; ask again then.
 *
 * @category models
 * @since 0.1.0
 */
export type Reply =
  | { readonly _tag: "Granted"; readonly token: number; readonly ttl: number }
  | { readonly _tag: "Queued"; readonly next: number }
  | { readonly _tag: "Busy" }
  | { readonly _tag: "Mismatch"; readonly limit: number }
  | { readonly _tag: "Gone" }
  | { readonly _tag: "Done" }
  | { readonly _tag: "Lost" }

/**
 * A grant made to a waiter by somebody else's step; it is sent to the waiter's session.
 *
 * @category models
 * @since 0.1.0
 */
export interface Push {
  readonly session: string
  readonly id: string
  readonly token: number
  readonly ttl: number
}

/**
 * The next state, the reply to the caller, and the grants to push.
 *
 * @category models
 * @since 0.1.0
 */
export type Step = readonly [state: State | undefined, reply: Reply, pushes: ReadonlyArray<Push>]

const done: Reply = { _tag: "Done" }
const lost: Reply = { _tag: "Lost" }

/**
 * Carries out one command on one resource.
 *
 * @category stepping
 * @since 0.1.0
 */
export const step = (state: State | undefined, at: Instant, command: Command): Step => {
  const alive = state && {
    ...state,
    holders: state.holders.filter((holder) => holder.until > at.now),
    gone: state.gone.filter((id) => id.until > at.now)
  }
  switch (command._tag) {
    case "Claim":
      return claim(alive, at, command)
    case "Renew":
      return change(alive, at, command.id, (holder) => ({ ...holder, until: at.now + command.ttl }))
    case "Update":
      return change(alive, at, command.id, (holder) => ({
        ...holder,
        value: command.value ?? holder.value,
        permits: Math.min(holder.permits, command.permits ?? holder.permits)
      }))
    case "Resize":
      return resize(alive, at, command.limit)
    case "Release":
      return release(alive, at, command.id, command.remember)
  }
}

const used = (state: State): number => state.holders.reduce((sum, holder) => sum + holder.permits, 0)

const idle = (state: State): boolean => state.holders.length === 0 && state.queue.length === 0

const empty = (limit: number): State => ({ limit, named: limit, token: 0, holders: [], queue: [], gone: [] })

const settle = (state: State): State | undefined =>
  idle(state) && state.gone.length === 0 && state.limit === state.named ? undefined : state

/** Nobody holds or waits, so the next caller names the number anew; what it was resized to stays. */
const rename = (state: State, named: number): State => ({
  ...state,
  named,
  limit: state.limit === state.named ? named : state.limit
})

const grant = (state: State, at: Instant, to: Claim | Waiter, ttl: number): State => {
  const token = Math.max(state.token + 1, at.floor)
  const { id, owner, permits, value } = to
  return {
    ...state,
    token: token + to.tokens - 1,
    holders: [...state.holders, { id, owner, value, permits, token, since: at.now, until: at.now + ttl }]
  }
}

const tokenOf = (state: State): number => state.holders.at(-1)?.token ?? 0

/** Lets the head of the line in while it fits; dead waiters are skipped when permits come free for them. */
const promote = (state: State, at: Instant): readonly [State, ReadonlyArray<Push>] => {
  const pushes: Array<Push> = []
  for (let head = state.queue[0]; head !== undefined && used(state) < state.limit; head = state.queue[0]) {
    const dead = head.until <= at.now
    if (!dead && used(state) + head.permits > state.limit) break
    state = { ...state, queue: state.queue.slice(1) }
    if (dead) continue
    const ttl = Math.min(head.ttl, head.patience)
    state = grant(state, at, head, ttl)
    pushes.push({ session: head.session, id: head.id, token: tokenOf(state), ttl })
  }
  return [state, pushes]
}

const claim = (found: State | undefined, at: Instant, ask: Claim): Step => {
  const before = found ?? empty(ask.limit)
  if (before.gone.some((gone) => gone.id === ask.id)) return [before, { _tag: "Gone" }, []]
  const until = at.now + ask.patience
  const beaten = before.queue.map((waiter) => waiter.id === ask.id ? { ...waiter, until } : waiter)
  const [promoted, pushes] = promote({ ...before, queue: beaten }, at)
  const state = idle(promoted) ? rename(promoted, ask.limit) : promoted
  const holder = state.holders.find((holder) => holder.id === ask.id)
  if (holder !== undefined) {
    const others = pushes.filter((push) => push.id !== ask.id)
    return [state, { _tag: "Granted", token: holder.token, ttl: holder.until - at.now }, others]
  }
  if (state.named !== ask.limit) return [state, { _tag: "Mismatch", limit: state.named }, pushes]
  if (state.queue.length === 0 && used(state) + ask.permits <= state.limit) {
    const granted = grant(state, at, ask, ask.ttl)
    return [granted, { _tag: "Granted", token: tokenOf(granted), ttl: ask.ttl }, pushes]
  }
  const waiting = state.queue.some((waiter) => waiter.id === ask.id)
  if (!ask.wait && !waiting) return [settle(state), { _tag: "Busy" }, pushes]
  const next = Math.min(...state.holders.map((holder) => holder.until)) - at.now
  const { id, owner, patience, permits, session, tokens, ttl, value } = ask
  const queue = waiting
    ? state.queue
    : [...state.queue, { id, session, owner, value, permits, tokens, ttl, patience, since: at.now, until }]
  return [{ ...state, queue }, { _tag: "Queued", next }, pushes]
}

const change = (state: State | undefined, at: Instant, id: string, f: (holder: Holder) => Holder): Step => {
  if (state === undefined) return [undefined, lost, []]
  const held = state.holders.some((holder) => holder.id === id)
  const holders = state.holders.map((holder) => holder.id === id ? f(holder) : holder)
  const [next, pushes] = promote({ ...state, holders }, at)
  return [settle(next), held ? done : lost, pushes]
}

const resize = (found: State | undefined, at: Instant, limit: number): Step => {
  const state = found ?? empty(limit)
  const [next, pushes] = promote({ ...state, limit }, at)
  // Where nobody names a number, it is one that no caller agrees with.
  const nobody = idle(next) && state.limit === state.named
  return [settle(nobody ? { ...next, named: 0 } : next), done, pushes]
}

const release = (found: State | undefined, at: Instant, id: string, remember: number): Step => {
  const state = found ?? empty(1)
  const without: State = {
    ...state,
    holders: state.holders.filter((holder) => holder.id !== id),
    queue: state.queue.filter((waiter) => waiter.id !== id)
  }
  const known = without.holders.length < state.holders.length || without.queue.length < state.queue.length
  const gone = known || remember === 0 ? state.gone : [...state.gone, { id, until: at.now + remember }]
  const [next, pushes] = promote({ ...without, gone }, at)
  return [settle(next), done, pushes]
}
