import { render } from 'preact';
import { App } from './app.js';
import './styles/tokens.css';
import './styles/page.css';
import './styles/parts.css';

const place = document.getElementById('page');
if (place !== null) render(<App />, place);
