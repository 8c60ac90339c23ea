import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'

/** One `import`, `export … from`, `import()` or `import('…')` type of a source file. */
export interface ImportOf {
  readonly specifier: string
  /** Leaves no trace at run time: `import type`, `export type … from`, an import type. */
  readonly typeOnly: boolean
}

/** Everything that a file imports. An import whose target is not a string literal is an error: it could not be checked. */
export function importsOf(file: string, text: string): ImportOf[] {
  const found: ImportOf[] = []
  const add = (specifier: ts.Node | undefined, typeOnly: boolean): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) {
      throw new Error(`${file}: an import whose target is not a plain string`)
    }
    found.push({ specifier: specifier.text, typeOnly })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword)
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
      add(node.moduleSpecifier, node.isTypeOnly)
    } else if (ts.isImportTypeNode(node)) {
      add(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, true)
    } else if (ts.isExternalModuleReference(node)) {
      add(node.expression, false)
    } else if (ts.isCallExpression(node) && loadsModule(node.expression)) {
      add(node.arguments[0], false)
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true))
  return found
}

function loadsModule(callee: ts.Expression): boolean {
  if (callee.kind === ts.SyntaxKind.ImportKeyword) return true
  const name = ts.isPropertyAccessExpression(callee) ? callee.name.text : ts.isIdentifier(callee) ? callee.text : ''
  return name === 'require' || name === 'getBuiltinModule'
}

/** The TypeScript files under a directory: path relative to it, with `/`, to text. */
export function readSources(directory: string): Map<string, string> {
  const names = readdirSync(directory, { recursive: true })
    .map((name) => String(name).replaceAll('\\', '/'))
    .filter((name) => name.endsWith('.ts'))
    .sort()
  return new Map(names.map((name) => [name, readFileSync(path.join(directory, name), 'utf8')]))
}
