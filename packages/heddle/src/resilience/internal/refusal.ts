/**
 * Makes an error without a stack trace. A refusal is made where nothing is wrong with the program, and often: the trace would
 * cost ten times as much as everything else about it.
 */
export const withoutStack = <E extends Error>(make: () => E): E => {
  const limit: unknown = Reflect.get(Error, "stackTraceLimit")
  Reflect.set(Error, "stackTraceLimit", 0)
  try {
    return make()
  } finally {
    Reflect.set(Error, "stackTraceLimit", limit)
  }
}
