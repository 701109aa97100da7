/** A whole SVG document of these elements, on white. */
export function svg(width: number, height: number, parts: readonly string[]): string {
	const style = `font-family="sans-serif" font-size="12"`;
	return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ${style}>\n<rect width="100%" height="100%" fill="#fff"/>\n${parts.join("\n")}\n</svg>\n`;
}

export function text(x: number, y: number, content: string, anchor: string, colour = "#222"): string {
	const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
	return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" fill="${colour}">${escaped}</text>`;
}

export function round(value: number): number {
	return Math.round(value * 10) / 10;
}
