/** One stay inside a section; instants in nanoseconds of the machine's monotonic clock. */
export interface Visit {
  readonly entered: bigint
  readonly left: bigint
  readonly token: bigint
}

/** The neighbours, in order of entry, of which the later came before the earlier had left or with no higher token. */
export const overlaps = (visits: ReadonlyArray<Visit>): ReadonlyArray<readonly [Visit, Visit]> => {
  const inOrder = [...visits].sort((a, b) => Number(a.entered - b.entered))
  return inOrder.slice(1).flatMap((later, index) => {
    const earlier = inOrder[index]
    return earlier !== undefined && (later.entered < earlier.left || later.token <= earlier.token)
      ? [[earlier, later] as const]
      : []
  })
}
