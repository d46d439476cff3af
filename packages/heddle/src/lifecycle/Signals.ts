/**
 * The signals that ask a process to end, as a reference, so that a test can send them without a process.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * A signal that asks to end: by an orchestrator, by the keyboard, or by a terminal that is gone.
 *
 * @category models
 * @since 0.1.0
 */
export type Signal = "SIGTERM" | "SIGINT" | "SIGHUP"

/**
 * Calls `heard` with each signal from now on, until the function that it answers with is called.
 *
 * @category models
 * @since 0.1.0
 */
export type Listen = (heard: (signal: Signal) => void) => () => void

// What is used of the process: Node, Deno and Bun have it, a browser has not.
declare const process: {
  readonly on: (signal: Signal, heard: () => void) => void
  readonly off: (signal: Signal, heard: () => void) => void
} | undefined

const ofProcess: Listen = (heard) => {
  if (typeof process === "undefined") return () => {}
  const { off, on } = { on: process.on.bind(process), off: process.off.bind(process) }
  const listeners = (["SIGTERM", "SIGINT", "SIGHUP"] as const).map((signal) => ({ signal, act: () => heard(signal) }))
  for (const { act, signal } of listeners) on(signal, act)
  return () => {
    for (const { act, signal } of listeners) off(signal, act)
  }
}

/**
 * Where signals come from. Default: the process, where there is one.
 *
 * @category references
 * @since 0.1.0
 */
export const Signals: Context.Reference<Listen> = Context.Reference<Listen>("heddle/Signals", {
  defaultValue: () => ofProcess
})
