import { PostgresKvStore } from "@heddle/postgres"

/** The keys live in a PostgreSQL database. */
export const layer = (url: string) => PostgresKvStore.layer({ url })
