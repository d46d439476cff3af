import { PostgresJobStore } from "@heddle/postgres"

/** The queue lives in a PostgreSQL database. */
export const layer = (url: string) => PostgresJobStore.layer({ url })
