/**
 * Columns of words as the functions of jobs take them, one after the other: a word in the midst of an array is dear to reach. A column
 * whose words are all the same has one. Before them stand how many rows there are, and where each column begins and the last one ends.
 */
export const packed = (total: number, columns: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const starts: Array<number> = []
  const words: Array<string> = []
  for (const column of columns) {
    starts.push(words.length)
    const [first] = column
    if (first !== undefined && column.every((word) => word === first)) words.push(first)
    else for (const word of column) words.push(word)
  }
  return [...[total, ...starts, words.length].map(String), ...words]
}

/** How many rows the columns have. */
export const totalSql = "words[1]::int4"

/** Where the columns begin: a function declares it as `starts`, beside `total`. */
export const startsSql = (columns: ReadonlyArray<string>): string => `words[2 : ${columns.length + 2}]::int4[]`

/** The column of this name, as an array. */
export const columnSql = (columns: ReadonlyArray<string>, name: string, type = "text"): string => {
  const at = columns.indexOf(name) + 1
  const before = columns.length + 2
  return `case when starts[${at + 1}] - starts[${at}] = total then words[${
    before + 1
  } + starts[${at}] : ${before} + starts[${at + 1}]]`
    + `::${type}[] else array_fill(words[${before + 1} + starts[${at}]]::${type}, array[total]) end`
}
