const subject = /^[\w:/-]+(\.[\w:/-]+)*$/
const pattern = /^(([\w:/-]+|\*)\.)*([\w:/-]+|\*|>)$/
const longest = 200

export const isSubject = (text: string): boolean => text.length <= longest && subject.test(text)

export const isPattern = (text: string): boolean => text.length <= longest && pattern.test(text)

/**
 * Whether a subject matches a pattern: `*` stands for one token, and `>` at the end for one or more.
 *
 * @category backends
 * @since 0.1.0
 */
export const matches = (pattern: string, subject: string): boolean => {
  if (!pattern.includes("*") && !pattern.endsWith(">")) return pattern === subject
  const tokens = subject.split(".")
  const wanted = pattern.split(".")
  if (wanted.at(-1) === ">") return tokens.length >= wanted.length && sameTokens(wanted.slice(0, -1), tokens)
  return tokens.length === wanted.length && sameTokens(wanted, tokens)
}

const sameTokens = (wanted: ReadonlyArray<string>, tokens: ReadonlyArray<string>): boolean =>
  wanted.every((token, index) => token === "*" || token === tokens[index])
