// htmx as a module. Importing it also starts it on the page.
export { default } from "htmx.org";
