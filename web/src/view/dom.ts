/** Finding and making elements, with their types checked. */

type ElementType<E extends Element> = abstract new () => E

/** The element with this id. Throws if the page has none of that type: page and code belong together. */
export function byId<E extends Element>(id: string, type: ElementType<E>): E {
  const found = document.getElementById(id)
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} #${id}`)
  return found
}

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  element.className = className
  element.append(...children)
  return element
}

export function button(id: string, onClick: () => void): HTMLButtonElement {
  const element = byId(id, HTMLButtonElement)
  element.addEventListener('click', onClick)
  return element
}
