/** The work of each item: a promise that is already done, as cheap as a task can be. */
export const workers = 100

export const work = (item: number): Promise<number> => Promise.resolve(item)

export const itemsOf = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, index) => index)
