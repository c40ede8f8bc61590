/** Lets the first value through at once and then the latest one per interval. */

export interface Throttle<T> {
  (value: T): void
  /** Passes on now what is waiting. */
  flush(): void
  /** Forgets what is waiting. */
  cancel(): void
}

/** @param interval milliseconds between two calls of `act`. */
export function throttle<T>(interval: number, act: (value: T) => void): Throttle<T> {
  let waiting: { value: T } | null = null
  let timer: ReturnType<typeof setTimeout> | null = null

  const expire = (): void => {
    timer = null
    flush()
  }
  const flush = (): void => {
    if (waiting === null) return
    const { value } = waiting
    waiting = null
    if (timer !== null) clearTimeout(timer)
    timer = setTimeout(expire, interval)
    act(value)
  }
  const throttled = (value: T): void => {
    waiting = { value }
    if (timer === null) flush()
  }
  const cancel = (): void => {
    waiting = null
  }
  return Object.assign(throttled, { flush, cancel })
}
