import type * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import { hasProperty } from "effect/Predicate"

/**
 * What a primitive of Effect does, by a piece of its text. There is no other mark on it: a primitive that is not listed is
 * told by its own text, and nothing but the wording of a trace depends on this list.
 */
const words: ReadonlyArray<readonly [piece: string, words: string]> = [
  ["this.sleepers", "sleeps"],
  ["evaluate(signal).then", "waits for a promise"],
  ["failWithCatch", "waits for a promise"],
  ["f(signal).then", "waits for a promise"],
  ["forkUnsafe(fiber, self", "forks"],
  ["impl._exit", "waits for a fiber"],
  ["self[Symbol.iterator]()", "waits for fibers"],
  ["ann && annotations", "interrupts a fiber"],
  ["const annotations = fiberStackAnnotations", "interrupts fibers"],
  ["const effects = Arr.fromIterable(all)", "races"],
  ["for (const effect of all)", "races"],
  ["parentFiber = getCurrentFiber()", "runs parts in parallel"],
  ["self.resumes.push(resume)", "waits for a Deferred"],
  ["doneUnsafe(self", "completes a Deferred"],
  ["self.ref.current = f(", "Ref.update"],
  ["f(self.ref.current)", "Ref.modify"],
  ["const current = self.ref.current", "Ref.getAndSet"],
  ["MutableRef.set(self.ref", "Ref.set"],
  ["=> self.ref.current", "Ref.get"],
  ["=> makeUnsafe(value)", "Ref.make"],
  ["new SemaphoreImpl", "Semaphore.make"],
  ["this.waiters.push(resume)", "waits for a Latch"],
  ["this._isOpen = true", "opens a Latch"],
  ["self.taken += n", "asks a Semaphore"],
  ["firstAvailableWaiter(self) === waiter", "waits for a Semaphore"],
  ["this.releaseUnsafe(fiber", "gives back to a Semaphore"],
  ["takeUnsafe(self) ??", "asks a Queue"],
  ["takeBetweenUnsafe(self", "asks a Queue"],
  ["if (ready()) return resume", "waits for a Queue"],
  ["offerUnsafe(self, message) ? exitTrue", "offers to a Queue"],
  ["offerUnsafe(self, message) ? resume", "waits to offer to a Queue"],
  ["() => value", "waits for ever"]
]

/** Primitives, and pieces of primitives, that only shape a program: what they lead to is told instead. */
const shapes = new Set([
  "Success",
  "OnSuccess",
  "OnFailure",
  "OnSuccessAndFailure",
  "OnExit",
  "Iterator",
  "While",
  "Exit",
  "Service",
  "SetInterruptible"
])
const plumbing = [
  "fromIteratorUnsafe",
  "fiber.interruptible",
  "fiberEnterUninterruptible",
  "prevContext",
  "prev = fiber.context",
  "f(fiber.context)",
  "fiber.getRef(ClockRef)",
  "makeSpanUnsafe",
  "span.status._tag",
  "resolveConcurrency",
  "fiberInterruptAs(self",
  "restore(use(a))"
]

const width = 72

const oneLine = (text: string): string => {
  const flat = text.replaceAll(/\/\/[^\n]*|__vite_ssr_import_\d+__\./g, "").replaceAll(/\s+/g, " ").trim()
  return flat.length > width ? `${flat.slice(0, width - 1)}…` : flat
}

const bodyOf = (primitive: object): unknown =>
  hasProperty(primitive, "register")
    ? primitive.register
    : hasProperty(primitive, "~effect/Effect/args")
    ? primitive["~effect/Effect/args"]
    : undefined

/** Without fiber ids: they would make two traces of one run differ. */
const reason = (self: Cause.Reason<unknown>): string => {
  switch (self._tag) {
    case "Fail":
      return oneLine(`fails with ${String(self.error)}`)
    case "Die":
      return oneLine(`dies with ${String(self.defect)}`)
    case "Interrupt":
      return "is interrupted"
  }
}

/**
 * Tells what a primitive does in a few words, or `undefined` when it only shapes the program.
 */
export const describe = (primitive: object): string | undefined => {
  const kind = hasProperty(primitive, "~effect/Effect/identifier")
    ? String(primitive["~effect/Effect/identifier"])
    : "?"
  if (shapes.has(kind)) return undefined
  if (Exit.isExit(primitive) && Exit.isFailure(primitive)) return primitive.cause.reasons.map(reason).join(" and ")
  if (kind === "Yield") return "yields"
  const body = bodyOf(primitive)
  if (typeof body !== "function") return kind
  const text = body.toString()
  if (plumbing.some((piece) => text.includes(piece))) return undefined
  const known = words.find(([piece]) => text.includes(piece))
  return known === undefined ? oneLine(`${kind} ${text}`) : known[1]
}
