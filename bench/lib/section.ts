/** Puts `body` between this section's two markers, in the place of what was there; a section that is new goes to the end. All
 *  else in the document stays as it is. Throws when only one of the markers is there, or in the wrong order. */
export function replaceSection(document: string, name: string, body: string): string {
	const opening = `<!-- bench:${name} -->`;
	const closing = `<!-- /bench:${name} -->`;
	const section = `${opening}\n${body.trim()}\n${closing}`;
	const from = document.indexOf(opening);
	const to = document.indexOf(closing);
	if (from < 0 && to < 0) {
		const before = document.trimEnd();
		return `${before}${before === "" ? "" : "\n\n"}${section}\n`;
	}
	if (from < 0 || to < from) throw new Error(`The markers of ${name} do not belong together: ${opening} ${closing}`);
	return document.slice(0, from) + section + document.slice(to + closing.length);
}
