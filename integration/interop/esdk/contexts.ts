import { contextOf as simpleContextOf } from '../inputs.js'
import type { ContextName as SimpleContextName } from '../peer.js'
import type { Context } from '../protocol.js'

export type ContextName = SimpleContextName | 'order' | 'empty value'

export const CONTEXTS: readonly ContextName[] = ['none', 'simple', 'rich', 'unicode', 'order', 'empty value']

/** UTF-8, UTF-16 and languages put these in other orders: the last two, and the first three. */
const order: Context = { a: '1', B: '2', ä: '3', ｚ: '4', '😀': '5' }

/** The pair that is not stored, where there is one. */
export const REQUIRED = 'tenant'

export function contextOf(name: ContextName, required = false): Context {
  const context = pairsOf(name)
  return required ? { ...context, [REQUIRED]: 'mieter-é' } : context
}

/** An empty value by itself: not everybody takes one. */
function pairsOf(name: ContextName): Context {
  if (name === 'order') return order
  if (name === 'empty value') return { purpose: 'interop', empty: '' }
  const { empty, ...pairs } = simpleContextOf(name)
  if (empty !== undefined && empty !== '') throw new Error('the pair that is left out has a value')
  return pairs
}
