/**
 * Lets one holder at a time work on a key, across processes.
 *
 * @since 0.1.0
 */
export {}
